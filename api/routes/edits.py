"""Callbacks: book, change, transfer, extend the claim, and change the promise."""

import re
from contextlib import suppress
from typing import Annotated, Final

from fastapi import APIRouter, Header
from fastapi.responses import Response

from api.access import Worker
from api.idempotency import Idempotent, answered, respond
from api.openapi import API, problems
from api.routes.parameters import CONFLICT, NO_DEPARTMENT, NOT_FOUND
from api.schemas.callbacks import CallbackOut, ClaimedCallback, ExtendIn
from api.schemas.edits import (
    AmendIn,
    BookedCallback,
    BookIn,
    PromisedCallback,
    PromiseIn,
    SortedCallbacks,
    SortIn,
    TransferIn,
    TransferredCallback,
)
from api.schemas.fields import CallbackPath
from api.web.audit_rules import audited
from api.web.errors import VersionNeeded
from api.web.problems import Fields, Statuses
from desk.access.actor import Actor
from desk.access.errors import NotByEmergencyAccess
from desk.audit.actions import AuditAction
from desk.callbacks.errors import CallbackNotFound, IdentityNotTaken
from desk.database.unit_of_work import Unit
from desk.idempotency.answers import Answer
from desk.ids import CallbackId, InquiryId
from desk.inquiries.errors import UnknownTopic, VersionConflict
from desk.limits.errors import TooManyTransfers
from desk.numbers.errors import InvalidIdentity, InvalidPhone
from desk.numbers.identity_number import parse_identity
from desk.numbers.phone_number import parse_phone
from desk.promises.errors import PromiseNotPossible

router = APIRouter(prefix=f"{API}/callbacks", tags=["callbacks"])

STATUSES: Final[Statuses] = {
    NotByEmergencyAccess: 403,
    VersionConflict: 412,
    UnknownTopic: 422,
    TooManyTransfers: 429,
    IdentityNotTaken: 422,
    PromiseNotPossible: 422,
    InvalidIdentity: 422,
    InvalidPhone: 422,
    VersionNeeded: 428,
}
FIELDS: Final[Fields] = {
    UnknownTopic: ("body", "#/topic"),
    IdentityNotTaken: ("body", "#/identity"),
    PromiseNotPossible: ("body", "#/by"),
    InvalidIdentity: ("body", "#/identity"),
    InvalidPhone: ("body", "#/phone"),
}

ETAG = re.compile(r'"(\d{1,9})"', re.ASCII)

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=200,
        description='The ETag of the callback you read, such as `"7"` (its `version` in quotes); `*` matches any.',
    ),
]


@router.post(
    "",
    operation_id="bookCallback",
    response_model=BookedCallback,
    status_code=201,
    responses={
        200: {"model": BookedCallback, "description": "The person already had an open callback, which was updated."},
        **problems(NO_DEPARTMENT, (409, "The Idempotency-Key was used for a different request.")),
    },
)
@audited(AuditAction.BOOK)
async def book(body: BookIn, access: Worker, once: Idempotent) -> Response:
    """Book a callback on behalf of a patient. `promise` in the response is what to say to them.

    A person with an open callback in the department gets no second one.
    """
    access.actor.require(body.department)

    async def work(by: Actor | Unit) -> Answer:
        parts = access.services
        rules = parts.departments().get(body.department)
        patient = None
        if body.identity is not None:
            patient = parse_identity(
                body.identity, allow_test=parts.settings.demo, allow_h=parts.settings.numbers.enable_h_numbers
            )
        phone = parse_phone(body.phone, allow_foreign=rules.allow_foreign or parts.settings.numbers.allow_foreign)
        booked = await parts.callbacks.edits.book(
            by,
            body.department,
            patient,
            phone,
            language=body.language,
            priority=body.priority,
            note=body.note,
        )
        callback = booked.callback
        out = BookedCallback.of(callback, created=booked.created)
        return answered(out, 201 if booked.created else 200, version=callback.version, of=callback.department)

    return await once(work)


@router.patch(
    "/{id:uuid}",
    operation_id="changeCallback",
    response_model=CallbackOut,
    responses=problems(
        NOT_FOUND,
        (412, "The callback has changed since you read it."),
        (428, "If-Match is required: send the version you read."),
    ),
)
@audited(AuditAction.AMEND)
async def amend(id: CallbackPath, body: AmendIn, access: Worker, if_match: IfMatch = None) -> Response:
    """Change the priority, the note or the topic of the version you read. This works on claimed callbacks too."""
    given = body.model_fields_set
    amended = await access.services.callbacks.edits.amend(
        access.actor,
        id,
        versions=_versions(if_match),
        priority=body.priority if "priority" in given else None,
        note=(body.note or "") if "note" in given else None,
        topic=(body.topic or "") if "topic" in given else None,
    )
    return respond(answered(CallbackOut.of(amended), version=amended.version))


@router.post("/sort", operation_id="sortCallbacks", responses=problems())
@audited(AuditAction.SORT)
async def sort(body: SortIn, access: Worker) -> SortedCallbacks:
    """Set the priority or the topic of several callbacks at once. Repeating it is harmless.

    Callbacks that are closed, or no longer yours to see, are left out of the answer: a colleague was there first.
    """
    ids = [CallbackId(InquiryId(str(each))) for each in body.ids]
    edits = access.services.callbacks.edits
    changed = await edits.sort(access.actor, ids, priority=body.priority, topic=body.topic)
    return SortedCallbacks(items=[CallbackOut.of(each) for each in changed])


@router.post(
    "/{id:uuid}/transfer",
    operation_id="transferCallback",
    response_model=TransferredCallback,
    responses=problems(
        NOT_FOUND,
        CONFLICT,
        (403, "Only an emergency access opens the callback's department to you. Its own people transfer."),
        (429, "The daily limit of transfers is reached, or too many requests were sent. Wait for Retry-After."),
    ),
)
@audited(AuditAction.TRANSFER)
async def transfer(id: CallbackPath, body: TransferIn, access: Worker, once: Idempotent) -> Response:
    """Transfer an open callback to another department, yours or not. Both departments' histories show it.

    `promise_kept` says whether the promise that the caller heard still stands; a promise in the past never does. If the
    same person waits there already, the two become one, and the earlier promise holds.
    """
    try:
        with suppress(CallbackNotFound):  # out of sight: it was sent before, and the answer is the first one
            await access.services.callbacks.edits.count_transfer(access.actor, id)
    except TooManyTransfers:
        access.services.metrics.count_limited("transfers")
        raise

    async def work(by: Actor | Unit) -> Answer:
        sent = await access.services.callbacks.edits.transfer(
            by,
            id,
            body.department,
            keep_promise=body.keep_promise,
            fence=body.fence,
            note=body.note,
        )
        out = TransferredCallback.of(sent.callback, promise_kept=sent.promise_kept, merged=sent.merged)
        return answered(out, version=sent.callback.version, of=sent.sent_from)

    return await once(work)


@router.post(
    "/{id:uuid}/extend",
    operation_id="extendClaim",
    response_model=ClaimedCallback,
    responses=problems(NOT_FOUND, CONFLICT),
)
@audited(AuditAction.EXTEND)
async def extend(id: CallbackPath, body: ExtendIn, access: Worker) -> Response:
    """Extend the claim by a full lease from now. `version` does not change, and repeating it is harmless."""
    held = await access.services.callbacks.claiming.extend(access.actor, id, body.fence)
    return respond(answered(ClaimedCallback.of(held, fence=held.fence), version=held.version))


@router.post(
    "/{id:uuid}/promise",
    operation_id="changePromise",
    response_model=PromisedCallback,
    responses=problems(NOT_FOUND, CONFLICT),
)
@audited(AuditAction.CHANGE_PROMISE)
async def promise_again(id: CallbackPath, body: PromiseIn, access: Worker, once: Idempotent) -> Response:
    """Make a new promise and notify the patient by SMS. Earlier promises stay in the ledger."""

    async def work(by: Actor | Unit) -> Answer:
        edits = access.services.callbacks.edits
        given = await edits.promise_again(by, id, by=body.by, fence=body.fence, sms=body.sms)
        out = PromisedCallback.of(given.callback, sms_queued=given.sms_queued)
        return answered(out, version=given.callback.version, of=given.callback.department)

    return await once(work)


def _versions(if_match: str | None) -> frozenset[int] | None:
    """Parse If-Match into versions; None matches any. Raises VersionNeeded without the header."""
    if if_match is None:
        raise VersionNeeded
    if if_match.strip() == "*":
        return None
    named = (ETAG.fullmatch(each.strip()) for each in if_match.split(","))
    return frozenset(int(match[1]) for match in named if match)
