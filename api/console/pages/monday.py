"""The board for Monday morning: what waits in a department by topic and urgency, sorted many at a time."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response

from api.console import moments
from api.console.access import PageReader, PageWorker
from api.console.answers import in_words, on_to
from api.console.fields import AnySlug, FormSlug
from api.console.rendering import render, words_for
from api.console.rows import Row, row_of
from api.schemas.fields import TOPIC
from api.web.audit_rules import audited
from desk.access.errors import DepartmentNotAllowed
from desk.access.permissions import Permission
from desk.audit.actions import AuditAction
from desk.callbacks.errors import CallbackNotFound
from desk.callbacks.model import callback_id
from desk.departments.departments import Department
from desk.errors import DeskError
from desk.ids import CallbackId
from desk.inquiries.errors import AlreadyClaimed, IllegalMove
from desk.inquiries.model import InquiryFilter, Priority, Status

router = APIRouter(prefix="/monday", include_in_schema=False)

PAGE_ROWS: Final = 200
MOST_CHOSEN: Final = 200
URGENCIES: Final = ("urgent", "overdue", "soon", "due")
"""The columns of the board, the most urgent first."""

Cursor = Annotated[str | None, Query(max_length=500)]
Ids = Annotated[list[UUID], Form(max_length=MOST_CHOSEN, default_factory=list)]


@dataclass(frozen=True)
class TopicGroup:
    """The callbacks of one topic. `key` is empty for those that no one has sorted."""

    key: str
    words: str
    rows: Sequence[Row]

    def of(self, urgency: str) -> Sequence[Row]:
        """Those of that urgency, in the order in which they are claimed."""
        return [row for row in self.rows if urgency_of(row) == urgency]


def urgency_of(row: Row) -> str:
    """The column that a callback belongs to."""
    return "urgent" if row.is_urgent else row.urgency or "due"


@router.get("")
@audited(AuditAction.LIST_CALLBACKS, listed=True)
async def board(
    request: Request,
    access: PageReader,
    department: AnySlug = "",
    cursor: Cursor = None,
    done: Annotated[int | None, Query(ge=0, le=MOST_CHOSEN)] = None,
    chosen: Annotated[int, Query(ge=0, le=MOST_CHOSEN)] = 0,
) -> Response:
    """Show the board. `done` of the `chosen` callbacks were sorted just before."""
    words = words_for(request)
    notice = None
    if done is not None:
        notice = words.count("monday.done", done)
        if done < chosen:
            notice += " " + words.count("monday.left_out", chosen - done)
    return await _board(request, access, department, cursor=cursor, notice=notice)


@router.get("/rows")
@audited(AuditAction.LIST_CALLBACKS, listed=True)
async def changed_items(
    request: Request,
    access: PageReader,
    id: Annotated[list[UUID], Query(max_length=PAGE_ROWS)],
    department: AnySlug = "",
) -> Response:
    """Return those callbacks that are on the board now, and the counts."""
    rules = _department(access, department)
    filters = InquiryFilter(status={Status.WAITING}, ids={str(each) for each in id})
    page = await access.services.callbacks.lists.queue(access.reading(rules.slug), filters, limit=PAGE_ROWS)
    rows = _rows(request, access, page.items)
    return render(request, "monday_rows.html", access, rows=rows, **await _around(request, access, rules))


@router.post("/topic")
@audited(AuditAction.SORT)
async def set_topic(
    request: Request,
    access: PageWorker,
    ids: Annotated[Ids, Form(alias="id")],
    department: FormSlug,
    topic: Annotated[str, Form(max_length=32, pattern=TOPIC)] = "",
) -> Response:
    """Set the topic of the chosen callbacks; an empty one removes it."""
    return await _sort(request, access, department, _ids(ids), topic=topic)


@router.post("/priority")
@audited(AuditAction.SORT)
async def set_priority(
    request: Request,
    access: PageWorker,
    ids: Annotated[Ids, Form(alias="id")],
    department: FormSlug,
    priority: Annotated[Priority, Form()],
) -> Response:
    """Mark the chosen callbacks as urgent, or not."""
    return await _sort(request, access, department, _ids(ids), priority=priority)


@router.post("/claim")
@audited(AuditAction.CLAIM_NAMED)
async def claim(
    request: Request, access: PageWorker, ids: Annotated[Ids, Form(alias="id")], department: FormSlug
) -> Response:
    """Claim the chosen callbacks. Those that a colleague claimed first are left out."""
    if not ids:
        return await _nothing_chosen(request, access, department)
    for id in _ids(ids):
        with suppress(AlreadyClaimed, IllegalMove, CallbackNotFound):
            claimed = await access.services.callbacks.claiming.claim_named(access.actor, id)
            access.services.metrics.count_claims(claimed.department, 1)
    return on_to("/queue?show=mine")


async def _sort(
    request: Request,
    access: PageWorker,
    department: str,
    ids: Sequence[CallbackId],
    *,
    priority: Priority | None = None,
    topic: str | None = None,
) -> Response:
    if not ids:
        return await _nothing_chosen(request, access, department)
    try:
        changed = await access.services.callbacks.edits.sort(access.actor, ids, priority=priority, topic=topic)
    except DeskError as error:
        alert = in_words(words_for(request), error)
        return await _board(request, access, department, alert=alert, status=422)
    return on_to(f"/monday?department={department}&done={len(changed)}&chosen={len(ids)}")


async def _nothing_chosen(request: Request, access: PageReader, department: str) -> Response:
    return await _board(request, access, department, alert=words_for(request)("monday.choose_some"), status=422)


async def _board(
    request: Request,
    access: PageReader,
    department: str,
    *,
    cursor: str | None = None,
    notice: str | None = None,
    alert: str | None = None,
    status: int = 200,
) -> Response:
    rules = _department(access, department)
    actor = access.reading(rules.slug)
    filters = InquiryFilter(status={Status.WAITING})
    page = await access.services.callbacks.lists.queue(actor, filters, cursor=cursor, limit=PAGE_ROWS)
    rows = _rows(request, access, page.items)
    return render(
        request,
        "monday.html",
        access,
        status=status,
        groups=_groups(words_for(request)("monday.unsorted"), rules, rows),
        urgencies=URGENCIES,
        next_cursor=page.next_cursor,
        notice=notice,
        alert=alert,
        **await _around(request, access, rules),
    )


def _groups(unsorted: str, rules: Department, rows: Sequence[Row]) -> list[TopicGroup]:
    """The unsorted first, then the department's topics in its order, then what is left from an older file."""
    older = {row.callback.topic: row.topic for row in rows if row.callback.topic}
    keys = {"": unsorted, **rules.topics, **{key: words or key for key, words in older.items()}}
    return [
        TopicGroup(key, words, [row for row in rows if (row.callback.topic or "") == key])
        for key, words in keys.items()
    ]


async def _around(request: Request, access: PageReader, rules: Department) -> dict[str, Any]:
    """What stands around the board: departments, topics to set, and when the queue will be empty."""
    services, words, now = access.services, words_for(request), access.services.clock.now()
    departments = services.departments()
    outlook = (await services.ledger.intake(access.acting(Permission.READ), rules.slug)).outlook
    waiting = sum(each.status is Status.WAITING for each in outlook.queue)
    return {
        "department": rules,
        "departments": [departments.get(slug) for slug in access.departments()],
        "waiting": waiting,
        "clear": moments.day_and_time(words, outlook.clear_at, now) if outlook.clear_at else None,
        "agents": outlook.agents,
        "minutes": max(1, round(outlook.handling.total_seconds() / 60)),
        "may_work": access.agent.scope(Permission.WORK).covers(rules.slug),
    }


def _department(access: PageReader, slug: str) -> Department:
    """The department shown: the one asked for, else the first of the person's. Raises DepartmentNotAllowed."""
    slugs = [slug] if slug else access.departments()[:1]
    access.looking(slugs)
    if not slugs:
        raise DepartmentNotAllowed
    return access.services.departments().get(slugs[0])


def _rows(request: Request, access: PageReader, items: Sequence[Any]) -> list[Row]:
    words, now = words_for(request), access.services.clock.now()
    departments = access.services.departments()
    return [row_of(words, each, departments, agent=access.agent.name, now=now) for each in items]


def _ids(ids: Sequence[UUID]) -> list[CallbackId]:
    return [callback_id(str(each)) for each in ids]
