"""The leader's desk: promises now, and the closures of the queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import Response
from pydantic import AfterValidator

from api.console import moments
from api.console.access import PageCloser, PageReader
from api.console.answers import in_words, on_to
from api.console.rendering import render, words_for
from api.schemas.fields import SLUG
from api.web.audit_rules import audited
from desk.access.permissions import Permission
from desk.audit.actions import AuditAction
from desk.clock import OSLO
from desk.departments.departments import Department
from desk.errors import DeskError
from desk.ledger.forecast import PromiseState
from desk.ledger.model import DepartmentPromises
from desk.promises.model import LONGEST_CLOSURE, Closure, DelayReason

router = APIRouter(prefix="/desk", include_in_schema=False)

REASONS: Final = (DelayReason.CLOSED_TODAY, DelayReason.CLOSED_COURSE, DelayReason.CLOSED_ILLNESS)
MOST: Final = 2**63 - 1


def _in_oslo(moment: datetime) -> datetime:
    """A time as the browser sends it: the wall clock, without a zone."""
    return moment.replace(tzinfo=OSLO) if moment.tzinfo is None else moment


LocalTime = Annotated[datetime, AfterValidator(_in_oslo), Form()]
Slug = Annotated[str, Path(max_length=64, pattern=SLUG)]


@dataclass(frozen=True)
class DepartmentNow:
    """A department as its leader sees it. `kept_percent` is None while no promise was due.

    `holders`: agents with callbacks of the department, how many, and whether they may claim no more.
    """

    department: Department
    kept: int
    broken: int
    at_risk: int
    waiting: int
    agents: int
    clear: str | None
    untold: int
    closures: Sequence[Closure]
    may_close: bool
    holders: Sequence[tuple[str, int, bool]]

    @property
    def kept_percent(self) -> int | None:
        """The share of promises kept among those that were kept or broken."""
        settled = self.kept + self.broken
        return round(100 * self.kept / settled) if settled else None


@router.get("")
@audited(AuditAction.DEPARTMENT_PROMISES, listed=True)
async def leaders_desk(request: Request, access: PageReader) -> Response:
    """Show each of the person's departments: promises of the last seven days, the queue now, and closures."""
    return await _page(request, access)


@router.post("/{slug}/closures")
@audited(AuditAction.CLOSE_QUEUE)
async def close_queue(
    request: Request,
    access: PageCloser,
    slug: Slug,
    from_: Annotated[datetime, AfterValidator(_in_oslo), Form(alias="from")],
    until: LocalTime,
    reason: Annotated[Literal["closed_today", "closed_course", "closed_illness"], Form()],
) -> Response:
    """Close the queue for a time. A closure that ends before it begins, or is too long, is refused."""
    closures = access.services.callbacks.closures
    if not timedelta() < until - from_ <= LONGEST_CLOSURE:
        return await _page(request, access, alert=words_for(request)("desk.not_in_order"), status=422)
    try:
        await closures.close_queue(access.actor, slug, from_=from_, until=until, text=DelayReason(reason))
    except DeskError as error:
        return await _page(request, access, alert=in_words(words_for(request), error), status=422)
    return on_to("/desk")


@router.post("/{slug}/closures/{number:int}/end")
@audited(AuditAction.END_CLOSURE)
async def end_closure(
    request: Request, access: PageCloser, slug: Slug, number: Annotated[int, Path(ge=1, le=MOST)]
) -> Response:
    """Open the queue again, or withdraw a closure that has not started."""
    try:
        await access.services.callbacks.closures.end(access.actor, slug, number)
    except DeskError as error:
        return await _page(request, access, alert=in_words(words_for(request), error), status=404)
    return on_to("/desk")


async def _page(request: Request, access: PageReader, *, alert: str | None = None, status: int = 200) -> Response:
    services, words, now = access.services, words_for(request), access.services.clock.now()
    reader = access.acting(Permission.READ)
    closing = access.agent.scope(Permission.CLOSE)
    shown = []
    claiming = services.callbacks.claiming
    held = await claiming.held(reader)
    for slug in [each for each in services.departments() if reader.scope.covers(each)]:
        found = await services.ledger.promises(reader, slug, since=None, state=(), cursor=None, limit=1)
        closures = await services.callbacks.closures.list_closures(reader, slug)
        clear = found.outlook.clear_at
        clear_words = moments.day_and_time(words, clear, now) if clear else None
        holders = [
            (agent, count, claiming.most_held is not None and count >= claiming.most_held)
            for (where, agent), count in sorted(held.items())
            if where == slug
        ]
        shown.append(
            _now(services.departments().get(slug), found, closures, clear_words, closing.covers(slug), holders)
        )
    local = now.astimezone(OSLO)
    start = f"{local:%Y-%m-%dT%H:%M}"
    end = f"{local:%Y-%m-%dT}23:59"
    values = {"departments": shown, "reasons": REASONS, "start": start, "end": end, "alert": alert}
    return render(request, "desk.html", access, status=status, **values)


def _now(
    department: Department,
    found: DepartmentPromises,
    closures: Sequence[Closure],
    clear: str | None,
    may_close: bool,
    holders: Sequence[tuple[str, int, bool]],
) -> DepartmentNow:
    counts = found.counts
    return DepartmentNow(
        department=department,
        kept=counts.get(PromiseState.KEPT, 0),
        broken=counts.get(PromiseState.BROKEN, 0),
        at_risk=counts.get(PromiseState.AT_RISK, 0),
        waiting=len(found.outlook.queue),
        agents=found.outlook.agents,
        clear=clear,
        untold=found.texts_missed,
        closures=closures,
        may_close=may_close,
        holders=holders,
    )
