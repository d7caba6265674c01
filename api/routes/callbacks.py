"""Callbacks: list, read, claim, record attempts, release, close and reopen."""

from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import AfterValidator

from api.access import Reader, Worker
from api.idempotency import Idempotent, answered, respond
from api.openapi import API, problems
from api.routes.parameters import CONFLICT, NO_DEPARTMENT, NOT_FOUND, Cursor, Limit
from api.routes.revealing import LIMITED, revealed
from api.schemas.callbacks import (
    AttemptedCallback,
    AttemptIn,
    CallbackOut,
    CallbackPage,
    ClaimedCallback,
    ClaimedCallbacks,
    ClaimIn,
    CloseIn,
    FullPatientOut,
    ReleaseIn,
    ReopenIn,
)
from api.schemas.fields import LANGUAGE, SLUG, TOPIC, CallbackPath, Moment
from api.schemas.history import HistoryOut, HistoryRowOut
from api.shared_pages import SharedPage
from api.web.audit_rules import audited
from api.web.errors import NoPatient
from api.web.problems import Fields, Statuses
from api.web.text import PLAIN_TEXT, reason
from api.web.wording import what_happens_next
from desk.access.actor import SYSTEM, Actor
from desk.audit.actions import AuditAction
from desk.callbacks.errors import CallbackNotFound
from desk.callbacks.model import Callback
from desk.database.errors import BadCursor
from desk.database.unit_of_work import Unit
from desk.idempotency.answers import Answer
from desk.idempotency.errors import KeyUsedBefore
from desk.inquiries.errors import (
    AlreadyClaimed,
    ClaimLost,
    IdentityInNote,
    IllegalMove,
    TooManyClaimed,
    UnprintableNote,
)
from desk.inquiries.model import InquiryFilter, Priority, Status
from desk.limits.errors import TooManyNumbers

router = APIRouter(prefix=f"{API}/callbacks", tags=["callbacks"])

STATUSES: Final[Statuses] = {
    CallbackNotFound: 404,
    NoPatient: 404,
    IllegalMove: 409,
    ClaimLost: 409,
    AlreadyClaimed: 409,
    TooManyClaimed: 409,
    IdentityInNote: 422,
    UnprintableNote: 422,
    KeyUsedBefore: 409,
    BadCursor: 422,
    TooManyNumbers: 429,
}
FIELDS: Final[Fields] = {
    BadCursor: ("query", "#/cursor"),
    IdentityInNote: ("body", "#/note"),
    UnprintableNote: ("body", "#/note"),
}

MOST_DEPARTMENTS = 50
MOST_DIGITS = 4

Slug = Annotated[str, Query(max_length=64, pattern=SLUG)]
SuspectedQuery = Annotated[
    bool | None, Query(description="True for callbacks of a suspected flood only, false for all others.")
]
TopicQuery = Annotated[
    str | None, Query(max_length=32, pattern=TOPIC, description="Key of a topic; empty: callbacks without one.")
]


def _no_number(text: str | None) -> str | None:
    """Refuse phone and identity numbers: addresses end up in logs."""
    if text is not None and sum(character.isdigit() for character in text) > MOST_DIGITS:
        raise reason("More than four digits do not belong in an address.")
    return text


@router.get("", operation_id="listCallbacks", response_model=CallbackPage, responses=problems(NO_DEPARTMENT))
@audited(AuditAction.LIST_CALLBACKS, listed=True)
async def list_callbacks(
    access: Reader,
    department: Annotated[
        list[Slug] | None,
        Query(max_length=MOST_DEPARTMENTS, description="Repeat it for several. By default all of your departments."),
    ] = None,
    status: Annotated[list[Status] | None, Query(max_length=len(Status), description="Repeat it for several.")] = None,
    due_before: Annotated[Moment | None, Query(description="Only callbacks promised by this time.")] = None,
    priority: Priority | None = None,
    language: Annotated[str | None, Query(pattern=LANGUAGE)] = None,
    unreachable: Annotated[
        bool | None, Query(description="True for unreachable callbacks only, false for all others.")
    ] = None,
    mine: Annotated[bool, Query(description="Only callbacks that you have claimed.")] = False,
    suspected: SuspectedQuery = None,
    topic: TopicQuery = None,
    text: Annotated[
        str | None,
        AfterValidator(_no_number),
        Query(
            min_length=1, max_length=100, pattern=PLAIN_TEXT, description="Text in the note, with at most four digits."
        ),
    ] = None,
    at_risk: Annotated[
        bool | None, Query(description="True for callbacks that will probably be late, false for all others.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """List the callbacks that match every filter, oldest first. To work in the right order, claim them.

    A page starts where the previous one ended, whatever happened in between: no callback is repeated or skipped.
    """
    actor = access.reading(department)
    filters = InquiryFilter(
        status=_statuses(status, unreachable),
        due_before=due_before,
        priority=priority,
        language=language,
        claimed_by=access.agent.name if mine else None,
        topic=topic,
        text=text,
        suspected=suspected,
    )

    async def read() -> SharedPage:
        shown = filters
        if at_risk is not None:
            late = await access.services.ledger.at_risk(SYSTEM.within(actor.scope))
            shown = replace(filters, ids=late) if at_risk else replace(filters, other_than=late)
        lists = access.services.callbacks.lists
        found = await lists.page(SYSTEM.within(actor.scope), shown, cursor=cursor, limit=limit)
        return SharedPage.of(found.items, CallbackPage.of(found).model_dump_json(by_alias=True))

    asked = (filters, at_risk, cursor, limit)
    newest = access.credential.history
    page = await access.services.pages.get(actor.scope, asked, read, keep=at_risk is None, newest=newest)
    for callback_id, slug in page.seen:
        actor.saw(callback_id, slug)
    return respond(Answer(200, page.body))


def _statuses(status: list[Status] | None, unreachable: bool | None) -> frozenset[Status] | None:
    """Combine the two filters on status."""
    if unreachable is None:
        return frozenset(status) if status is not None else None
    which = frozenset({Status.UNREACHABLE}) if unreachable else frozenset(Status) - {Status.UNREACHABLE}
    return which & set(status) if status is not None else which


@router.post(
    "/claim",
    operation_id="claimNextCallbacks",
    response_model=ClaimedCallbacks,
    responses=problems(NO_DEPARTMENT, CONFLICT),
)
@audited(AuditAction.CLAIM_NEXT)
async def claim_next(body: ClaimIn, access: Worker, once: Idempotent) -> Response:
    """Claim the next callbacks of a department, one or a whole round. No two agents get the same callback.

    The list is empty when no callback waits.
    """
    access.actor.require(body.department)

    async def work(by: Actor | Unit) -> Answer:
        claiming = access.services.callbacks.claiming
        claimed = await claiming.claim(by, body.department, limit=body.limit, due_before=body.due_before)
        access.services.metrics.count_claims(body.department, len(claimed))
        return answered(ClaimedCallbacks(items=[_claimed(callback) for callback in claimed]), of=body.department)

    return await once(work)


@router.get("/{id:uuid}", operation_id="getCallback", response_model=CallbackOut, responses=problems(NOT_FOUND))
@audited(AuditAction.GET_CALLBACK)
async def get_callback(id: CallbackPath, access: Reader) -> Response:
    """Return a callback. Send its ETag as If-Match to change it."""
    return respond(_as_it_stands(await access.services.callbacks.lists.get(access.actor, id)))


@router.get(
    "/{id:uuid}/patient",
    operation_id="getPatient",
    responses=problems(
        (404, "There is no such callback, or it has no identity number."),
        LIMITED,
    ),
)
@audited(AuditAction.GET_PATIENT)
async def get_patient(id: CallbackPath, access: Worker) -> FullPatientOut:
    """Return the whole national identity number. Each read is recorded in the history, with your name."""
    return await revealed(access, access.services.callbacks.identity_reveal.reveal(access.actor, id))


@router.get("/{id:uuid}/history", operation_id="getHistory", responses=problems(NOT_FOUND))
@audited(AuditAction.GET_HISTORY)
async def get_history(id: CallbackPath, access: Reader) -> HistoryOut:
    """List everything that has happened to the callback, oldest first."""
    rows = await access.services.callbacks.lists.history(access.actor, id)
    return HistoryOut(items=[HistoryRowOut.of(row) for row in rows])


@router.post(
    "/{id:uuid}/claim",
    operation_id="claimCallback",
    response_model=ClaimedCallback,
    responses=problems(NOT_FOUND, CONFLICT),
)
@audited(AuditAction.CLAIM_NAMED)
async def claim_named(id: CallbackPath, access: Worker, once: Idempotent) -> Response:
    """Claim this callback. You can take over a colleague's claim once its lease has run out."""

    async def work(by: Actor | Unit) -> Answer:
        claimed = await access.services.callbacks.claiming.claim_named(by, id)
        access.services.metrics.count_claims(claimed.department, 1)
        return answered(_claimed(claimed), version=claimed.version, of=claimed.department)

    return await once(work)


@router.post(
    "/{id:uuid}/release",
    operation_id="releaseCallback",
    response_model=CallbackOut,
    responses=problems(NOT_FOUND, CONFLICT),
)
@audited(AuditAction.RELEASE)
async def release(id: CallbackPath, body: ReleaseIn, access: Worker, once: Idempotent) -> Response:
    """Give up a claim. The callback waits again, at its old place in the queue."""

    async def work(by: Actor | Unit) -> Answer:
        return _as_it_stands(await access.services.callbacks.claiming.release(by, id, body.fence))

    return await once(work)


@router.post(
    "/{id:uuid}/attempts",
    operation_id="recordAttempt",
    response_model=AttemptedCallback,
    responses=problems(NOT_FOUND, CONFLICT),
)
@audited(AuditAction.RECORD_ATTEMPT)
async def record_attempt(id: CallbackPath, body: AttemptIn, access: Worker, once: Idempotent) -> Response:
    """Record the outcome of an attempt. `next` says what happens now."""

    async def work(by: Actor | Unit) -> Answer:
        outcomes = access.services.callbacks.outcomes
        after = await outcomes.record_attempt(by, id, body.fence, body.outcome, note=body.note)
        department = access.services.departments().get(after.department)
        words = what_happens_next(after, department, access.services.clock.now())
        return answered(AttemptedCallback.of(after, next=words), version=after.version, of=after.department)

    return await once(work)


@router.post(
    "/{id:uuid}/close",
    operation_id="closeCallback",
    response_model=CallbackOut,
    responses=problems(NOT_FOUND, CONFLICT),
)
@audited(AuditAction.CLOSE)
async def close(id: CallbackPath, body: CloseIn, access: Worker, once: Idempotent) -> Response:
    """Close a callback. Only the agent who has claimed it can close it, with the `fence`."""

    async def work(by: Actor | Unit) -> Answer:
        outcomes = access.services.callbacks.outcomes
        closed = await outcomes.close(by, id, body.reason, fence=body.fence, note=body.note)
        return _as_it_stands(closed)

    return await once(work)


@router.post(
    "/{id:uuid}/reopen",
    operation_id="reopenCallback",
    response_model=CallbackOut,
    responses=problems(NOT_FOUND, CONFLICT),
)
@audited(AuditAction.REOPEN)
async def reopen(id: CallbackPath, access: Worker, once: Idempotent, body: ReopenIn | None = None) -> Response:
    """Put a closed or unreachable callback back in the queue with a new promise. After a cut-off call it goes first."""

    async def work(by: Actor | Unit) -> Answer:
        cut_off = body is not None and body.cut_off
        return _as_it_stands(await access.services.callbacks.outcomes.reopen(by, id, cut_off=cut_off))

    return await once(work)


def _as_it_stands(callback: Callback) -> Answer:
    return answered(CallbackOut.of(callback), version=callback.version, of=callback.department)


def _claimed(callback: Callback) -> ClaimedCallback:
    return ClaimedCallback.of(callback, fence=callback.fence)
