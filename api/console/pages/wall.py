"""The wall screen: the figures of some departments, live, for a screen that everyone in the room can read.

It shows no patient, no name and no number. Its token opens these pages alone: api/auth/credentials.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import Response

from api.auth.access import on_the_wall
from api.auth.cookies import WALL
from api.auth.credentials import check_same_site, wall_credential_of
from api.console import moments
from api.console.access import WallScreen
from api.console.answers import WALL_PAGE, in_words, on_to
from api.console.assets import assets
from api.console.rendering import render, words_for
from api.console.words import Wording
from api.services import Services, services_of
from api.web.audit_rules import audited, unaudited
from api.web.errors import WallNotOpen
from api.web.events.live import EventReader
from api.web.events.pulse import PulseStream
from api.web.events.stream import HEARTBEAT_SECONDS
from api.web.middleware.trace import trace_of
from desk.access.permissions import Permission
from desk.accounts.errors import TokenNotFound
from desk.audit.actions import AuditAction
from desk.clock import OSLO
from desk.inquiries.model import Status
from desk.ledger.model import Outlook
from desk.promises.model import Closure
from desk.statistics.model import Measure

router = APIRouter(prefix=WALL_PAGE, include_in_schema=False)

Inside = Annotated[Services, Depends(services_of)]
MOST_INCOMPLETE: Final = 200
"""Incomplete calls are counted up to this many."""


@dataclass(frozen=True)
class OnTheWall:
    """A department's figures. `kept` of `due` promises that were due today; None in words where there is nothing."""

    slug: str
    name: str
    waiting: int
    soon: int
    overdue: int
    kept: int
    due: int
    longest: str | None
    agents: int
    incomplete: int
    clear: str | None
    closed_until: str | None


@router.get("")
@audited(AuditAction.WALL)
async def wall(request: Request, services: Inside) -> Response:
    """Show the figures, or the form for a wall screen's token."""
    if services.cookies.read(request, WALL) is None:
        return _form(request)
    try:
        access = await on_the_wall(request, services)
        token = await services.agents.tokens.of_secret(access.actor, access.credential.secret)
    except (WallNotOpen, TokenNotFound):
        answer = _form(request, words_for(request)("wall.ended"))
        services.cookies.leave_wall(answer, request)
        return answer
    return render(request, "wall.html", token=token, **await _values(request, access))


@router.post("")
@audited(AuditAction.OPEN_WALL)
async def open_wall(
    request: Request, services: Inside, token: Annotated[str, Form(min_length=1, max_length=200)]
) -> Response:
    """Keep a wall screen's token in this browser. It is in no address, and a page never shows it again."""
    check_same_site(request)
    secret = "".join(token.split())
    try:
        credential = await wall_credential_of(request, services, secret)
    except WallNotOpen as error:
        return _form(request, in_words(words_for(request), error), status=401)
    trace_of(request).who, trace_of(request).session = credential.agent.name, credential.name
    answer = on_to(WALL_PAGE)
    services.cookies.set_wall(answer, request, secret)
    return answer


@router.post("/leave")
@unaudited("a browser forgets its own access; nothing is shown")
async def leave(request: Request, services: Inside) -> Response:
    """Forget the token in this browser. It is valid until it is revoked or ends."""
    check_same_site(request)
    answer = on_to(WALL_PAGE)
    services.cookies.leave_wall(answer, request)
    return answer


@router.get("/board")
@unaudited("figures of departments, with no person; the page and its stream are audited")
async def board(request: Request, access: WallScreen) -> Response:
    """Return the figures as they are now."""
    return render(request, "wall_board.html", **await _values(request, access))


@router.get("/events")
@audited(AuditAction.WALL)
async def events(access: WallScreen, seconds: Annotated[int | None, Query(ge=0, le=3600)] = None) -> PulseStream:
    """Say when something changes in the departments, and nothing about what, until `seconds` are over."""
    actor = access.reading()

    async def still() -> bool:
        agent = await access.credential.recheck()
        return agent is not None and agent.scope(Permission.WALL) == access.scope

    reader, live = EventReader(actor, still, access.credential.name), access.services.live
    await live.open(reader.credential)
    return PulseStream(live, reader, after=None, seconds=seconds, heartbeat_seconds=HEARTBEAT_SECONDS)


async def _values(request: Request, access: WallScreen) -> dict[str, Any]:
    now = access.services.clock.now()
    return {"figures": await _figures(words_for(request), access, now), "now": now, "edition": assets().edition}


async def _figures(words: Wording, access: WallScreen, now: datetime) -> Sequence[OnTheWall]:
    services, today = access.services, now.astimezone(OSLO).date()
    closed = await services.callbacks.closures.closed_now(access.actor)
    shown = []
    for slug in access.departments():
        own = access.reading(slug)
        outlook = await services.ledger.outlook(own, slug)
        promises = await services.statistics.kept(own, department=slug, first=today, last=today)
        kept = promises.total(Measure.KEPT)
        shown.append(
            OnTheWall(
                slug=slug,
                name=services.departments().get(slug).name,
                **_counts(words, outlook),
                kept=kept,
                due=kept + promises.total(Measure.BROKEN),
                incomplete=await services.callbacks.incomplete.count(own),
                closed_until=_closed(words, closed.get(slug), now),
            )
        )
    return shown


def _counts(words: Wording, outlook: Outlook) -> dict[str, Any]:
    """What the queue says: the same words and numbers as its page, where claimed callbacks can be late too."""
    now, clear = outlook.now, outlook.clear_at
    waiting = [each for each in outlook.queue if each.status is Status.WAITING]
    urgencies = [moments.urgency(each.promise, now) for each in outlook.queue]
    longest = max((now - each.created_at for each in waiting), default=None)
    return {
        "waiting": len(waiting),
        "soon": urgencies.count("soon"),
        "overdue": urgencies.count("overdue"),
        "longest": None if longest is None else moments.lasting(words, longest),
        "agents": outlook.agents,
        "clear": moments.day_and_time(words, clear, now) if clear else None,
    }


def _closed(words: Wording, closure: Closure | None, now: datetime) -> str | None:
    return moments.day_and_time(words, closure.until, now) if closure else None


def _form(request: Request, alert: str | None = None, status: int = 200) -> Response:
    return render(request, "wall_log_in.html", status=status, alert=alert)
