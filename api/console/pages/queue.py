"""The queue: open callbacks in the order in which they are claimed, live."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Header, Query, Request
from fastapi.responses import Response

from api.console.access import PageReader, PageWatcher, PageWorker
from api.console.answers import on_to
from api.console.fields import AnySlug
from api.console.live_rows import Viewer, rows_after
from api.console.pages.demo_patient import demo_values
from api.console.rendering import render, words_for
from api.console.rows import Row, row_of
from api.schemas.fields import SLUG
from api.services import Services
from api.web.audit_rules import audited
from api.web.events.live import EventReader
from api.web.events.stream import HEARTBEAT_SECONDS, EventStream
from api.web.text import PLAIN_TEXT
from desk.access.actor import SYSTEM, Actor
from desk.access.permissions import Permission
from desk.audit.actions import AuditAction
from desk.database.unit_of_work import Unit
from desk.history.model import Change
from desk.idempotency.answers import Answer
from desk.inquiries.model import InquiryFilter, Status

router = APIRouter(prefix="/queue", include_in_schema=False)

PAGE_ROWS: Final = 200
MOST: Final = 2**63 - 1
MOST_CHANGED: Final = 200
OPEN: Final = frozenset({Status.WAITING, Status.CLAIMED, Status.UNREACHABLE})
Which = Annotated[Literal["", "waiting", "claimed", "unreachable", "mine", "risk", "suspected", "closed"], Query()]
ANY_TOPIC: Final = "any"
NO_TOPIC: Final = "none"
Topic = Annotated[str, Query(max_length=34, pattern="^(any|none|-[a-z][a-z0-9_-]*)?$")]
"""A topic's key after a dash, so that no key is mistaken for one of the two words."""
Text = Annotated[str, Query(max_length=100, pattern=f"^$|{PLAIN_TEXT}")]
Cursor = Annotated[str | None, Query(max_length=500)]


@dataclass(frozen=True)
class Filter:
    """What the person has chosen to see. `text` is searched for in notes; numbers are searched for elsewhere."""

    department: str = ""
    show: str = ""
    text: str = ""
    topic: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is filtered."""
        return not (self.department or self.show or self.text) and self.topic is None

    async def of_desk(self, services: Services, actor: Actor) -> InquiryFilter:
        """The filter of the desk."""
        status = OPEN if self.show in ("", "risk", "mine", "suspected") else frozenset({Status(self.show)})
        found = InquiryFilter(
            status=status,
            claimed_by=actor.name if self.show == "mine" else None,
            topic=self.topic,
            text=self.text or None,
            suspected=True if self.show == "suspected" else None,
        )
        if self.show == "risk":
            return replace(found, ids=await services.ledger.at_risk(SYSTEM.within(actor.scope)))
        return found


@router.get("")
@audited(AuditAction.LIST_CALLBACKS, listed=True)
async def queue(
    request: Request,
    access: PageReader,
    department: AnySlug = "",
    show: Which = "",
    topic: Topic = ANY_TOPIC,
    text: Text = "",
    cursor: Cursor = None,
    empty: bool = False,
    sent: bool = False,
) -> Response:
    """Show the queue. `empty`: no one waited; `sent`: a callback was transferred."""
    chosen = Filter(department, show, _without_number(text), _topic(topic))
    actor = access.reading(department or None)
    filters = await chosen.of_desk(access.services, actor)
    page = await access.services.callbacks.lists.queue(actor, filters, cursor=cursor, limit=PAGE_ROWS)
    return render(
        request,
        "queue.html",
        access,
        rows=_rows(request, access, page.items),
        next_cursor=page.next_cursor,
        once=secrets.token_urlsafe(24),
        emptied=empty,
        sent=sent,
        chosen=chosen,
        searched_number=bool(text) and not chosen.text,
        **await _around(access),
        **demo_values(access, request),
    )


@router.get("/rows")
@audited(AuditAction.LIST_CALLBACKS, listed=True)
async def changed_rows(
    request: Request,
    access: PageReader,
    id: Annotated[list[UUID], Query(max_length=MOST_CHANGED)],
    department: AnySlug = "",
    show: Which = "",
    topic: Topic = ANY_TOPIC,
    text: Text = "",
) -> Response:
    """Return the lines of those callbacks that are on the list now, and the counts."""
    chosen = Filter(department, show, _without_number(text), _topic(topic))
    actor = access.reading(department or None)
    filters = await chosen.of_desk(access.services, actor)
    asked = {str(each) for each in id}
    ids = asked if filters.ids is None else asked & {*filters.ids}
    page = await access.services.callbacks.lists.queue(actor, replace(filters, ids=ids), limit=PAGE_ROWS)
    return render(
        request,
        "queue_rows.html",
        access,
        rows=_rows(request, access, page.items),
        chosen=chosen,
        **await _around(access),
        **demo_values(access, request),
    )


@router.get("/events")
@audited(AuditAction.EVENTS, sends=AuditAction.EVENTS_SENT, sends_rows=True)
async def events(
    request: Request,
    access: PageWatcher,
    last_event_id: Annotated[int | None, Header(alias="Last-Event-ID", ge=0, le=MOST)] = None,
    seconds: Annotated[int | None, Query(ge=0, le=3600)] = None,
) -> EventStream:
    """Stream the changes of the person's departments, until `seconds` are over, and the queue's rows that they change.

    It does not prolong the session.
    """
    actor = access.reading()

    still = partial(access.credential.still_reads, actor)
    reader, live = EventReader(actor, still, access.credential.name), access.services.live
    await live.open(reader.credential)
    words, may_work = words_for(request), access.agent.may(Permission.WORK)
    works = access.agent.scope(Permission.WORK)

    async def rows(changes: Sequence[Change]) -> bytes:
        if not await still():
            return b""  # the page asks for them, and is refused
        demo_phone = demo_values(access, request)["demo_phone"]
        return await rows_after(access.services, Viewer(actor, words, may_work, works, demo_phone), changes)

    return EventStream(
        live, reader, after=last_event_id, seconds=seconds, heartbeat_seconds=HEARTBEAT_SECONDS, beside=rows
    )


@router.post("/next")
@audited(AuditAction.CLAIM_NEXT)
async def claim_next(
    request: Request,
    access: PageWorker,
    once: Annotated[str, Form(min_length=16, max_length=64, pattern="^[A-Za-z0-9_-]+$")],
    department: Annotated[str, Form(max_length=64, pattern=f"^$|{SLUG}")] = "",
) -> Response:
    """Claim the next callback of the department, or of any of the person's, and show it.

    `once` is new with each page, so a form that is sent twice claims one callback.
    """
    slugs = [department] if department else access.departments()

    async def work(by: Actor | Unit) -> Answer:
        for slug in slugs:
            claimed = await access.services.callbacks.claiming.claim(by, slug)
            if claimed:
                access.services.metrics.count_claims(slug, 1)
                return Answer(303, claimed[0].id, None, slug)
        return Answer(404, "", None, slugs[0] if slugs else None)

    answer, _ = await access.services.answers.once(access.actor, once, f"POST /queue/next\n{department}", work)
    if answer.body:
        return on_to(f"/callbacks/{answer.body}")
    return on_to("/queue?empty=1")


def _rows(request: Request, access: PageReader, items: Sequence[Any]) -> list[Row]:
    words, now = words_for(request), access.services.clock.now()
    departments = access.services.departments()
    return [row_of(words, each, departments, agent=access.agent.name, now=now) for each in items]


async def _around(access: PageReader) -> dict[str, Any]:
    """What stands around the list: departments to choose from, counts, and whether the person may claim."""
    departments, callbacks = access.services.departments(), access.services.callbacks
    mine = [departments.get(slug) for slug in access.departments()]
    counts, floods, incomplete = await asyncio.gather(
        callbacks.lists.counts(access.reading()),
        callbacks.floods.waiting(access.acting(Permission.WORK)),
        callbacks.incomplete.count(access.acting(Permission.WORK)),
    )
    by_status = {status: sum(n for (_, each), n in counts.items() if each is status) for status in Status}
    return {
        "floods": [(departments.get(slug), n) for slug, n in sorted(floods.items()) if slug in departments],
        "departments": mine,
        "topics": {key: words for each in mine for key, words in each.topics.items()},
        "waiting": by_status[Status.WAITING],
        "claimed": by_status[Status.CLAIMED],
        "unreachable": by_status[Status.UNREACHABLE],
        "may_work": access.agent.may(Permission.WORK),
        "incomplete": incomplete,
    }


def _topic(chosen: str) -> str | None:
    """The topic of the desk's filter: None for any, empty for callbacks without one."""
    if chosen in (ANY_TOPIC, ""):
        return None
    return "" if chosen == NO_TOPIC else chosen.removeprefix("-")


def _without_number(text: str) -> str:
    """The text, unless it holds a number: addresses end up in logs, so numbers are searched for by a form."""
    return "" if sum(sign.isdigit() for sign in text) > 4 else text
