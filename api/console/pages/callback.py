"""The card of one callback: who, when, what has happened, and everything an agent does with it."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from pydantic import BeforeValidator

from api.console import dials, moments
from api.console.access import PageReader, PageWorker
from api.console.answers import in_words, on_to
from api.console.fields import FormSlug
from api.console.rendering import render, words_for
from api.console.rows import readable, row_of
from api.schemas.fields import TOPIC, CallbackPath
from api.web.audit_rules import audited
from api.web.wording import what_happens_next
from desk.access.permissions import Permission
from desk.audit.actions import AuditAction
from desk.callbacks.model import AttemptOutcome, Callback
from desk.errors import DeskError
from desk.ids import CallbackId
from desk.inquiries import notes
from desk.inquiries.errors import IdentityInNote, UnprintableNote, VersionConflict
from desk.inquiries.model import ClosedReason, Priority, Status
from desk.ledger.forecast import PromiseState
from desk.numbers.phone_number import PhoneNumber

router = APIRouter(prefix="/callbacks/{id:uuid}", include_in_schema=False)

MOST_NOTE: Final = 1000
"""Characters of a note that is written with something else."""
MOST_OTHERS: Final = 10
"""How many other callbacks of the person the card lists."""
OUTCOMES: Final = (
    AttemptOutcome.REACHED,
    AttemptOutcome.NO_ANSWER,
    AttemptOutcome.BUSY,
    AttemptOutcome.VOICEMAIL,
    AttemptOutcome.WRONG_NUMBER,
    AttemptOutcome.DROPPED,
)
"""In the order of the keys Alt+1 to Alt+6."""
REASONS: Final = (ClosedReason.REACHED, ClosedReason.UNREACHABLE, ClosedReason.DUPLICATE, ClosedReason.OTHER)

Fence = Annotated[int, Form(ge=0, lt=2**31)]
Lines = BeforeValidator(lambda text: text.replace("\r\n", "\n"))
"""A browser sends each line end as two characters, and counts it as one."""
Note = Annotated[str, Form(max_length=MOST_NOTE), Lines]
WholeNote = Annotated[str, Form(max_length=notes.LONGEST_NOTE), Lines]
"""The note as it is stored: several calls may have added to it."""


@router.get("")
@audited(AuditAction.GET_CALLBACK)
async def card(request: Request, access: PageReader, id: CallbackPath, dialled: bool = False) -> Response:
    """Show the card. `dialled`: the person has just called, and the dial may have recorded its outcome by itself."""
    callback = await access.services.callbacks.lists.get(access.actor, id)
    last = callback.attempts[-1] if callback.attempts else None
    if not dialled or callback.status is Status.CLAIMED or last is None or last.agent != access.agent.name:
        return await _card(request, access, callback)
    return await _card(request, access, callback, notice=_next_step(access, callback), goes_on=True)


@router.get("/version")
@audited(AuditAction.GET_CALLBACK)
async def version(access: PageReader, id: CallbackPath) -> dict[str, int]:
    """Return the present version, for a card that was without a connection."""
    return {"version": (await access.services.callbacks.lists.get(access.actor, id)).version}


@router.get("/dial")
@audited(AuditAction.GET_DIAL)
async def dial_state(request: Request, access: PageReader, id: CallbackPath) -> Response:
    """Return the state of the newest dial, in words.

    It is read before the callback: one that has ended has left its outcome there.
    """
    latest = await dials.latest(access, id)
    callback = await access.services.callbacks.lists.get(access.actor, id)
    return render(request, "dial.html", access, callback=callback, **dials.shown(latest, callback))


@router.post("/claim")
@audited(AuditAction.CLAIM_NAMED)
async def claim(request: Request, access: PageWorker, id: CallbackPath) -> Response:
    """Claim this callback. One that the person has already gets a longer lease."""
    claimed = await access.services.callbacks.claiming.claim_named(access.actor, id)
    access.services.metrics.count_claims(claimed.department, 1)
    return on_to(f"/callbacks/{id}")


@router.post("/release")
@audited(AuditAction.RELEASE)
async def release(request: Request, access: PageWorker, id: CallbackPath, fence: Fence) -> Response:
    """Return it to its place in the queue."""
    await access.services.callbacks.claiming.release(access.actor, id, fence)
    return on_to("/queue")


@router.post("/attempt")
@audited(AuditAction.RECORD_ATTEMPT)
async def attempt(
    request: Request,
    access: PageWorker,
    id: CallbackPath,
    fence: Fence,
    outcome: Annotated[AttemptOutcome, Form()],
    note: Note = "",
) -> Response:
    """Record how the attempt went, and say what happens now."""

    async def work() -> Callback:
        outcomes = access.services.callbacks.outcomes
        return await outcomes.record_attempt(access.actor, id, fence, outcome, note=note.strip() or None)

    return await _done(request, access, id, work, goes_on=True, attempt_note=note)


@router.post("/close")
@audited(AuditAction.CLOSE)
async def close(
    request: Request,
    access: PageWorker,
    id: CallbackPath,
    reason: Annotated[ClosedReason, Form()],
    fence: Annotated[int | None, Form()] = None,
    note: Note = "",
) -> Response:
    """Close it without an attempt."""

    async def work() -> Callback:
        outcomes = access.services.callbacks.outcomes
        return await outcomes.close(access.actor, id, reason, fence=fence, note=note.strip() or None)

    return await _done(request, access, id, work)


@router.post("/reopen")
@audited(AuditAction.REOPEN)
async def reopen(request: Request, access: PageWorker, id: CallbackPath) -> Response:
    """Put a closed or unreachable callback back in the queue."""
    return await _done(
        request, access, id, lambda: access.services.callbacks.outcomes.reopen(access.actor, id, cut_off=False)
    )


@router.post("/transfer")
@audited(AuditAction.TRANSFER)
async def transfer(
    request: Request,
    access: PageWorker,
    id: CallbackPath,
    department: FormSlug,
    fence: Annotated[int | None, Form()] = None,
    note: Note = "",
    keep_promise: Annotated[bool, Form()] = False,
) -> Response:
    """Transfer it to another department, and return to the queue: it may be out of the person's sight now."""
    edits = access.services.callbacks.edits
    try:
        await edits.count_transfer(access.actor, id)
        await edits.transfer(
            access.actor, id, department, keep_promise=keep_promise, fence=fence, note=note.strip() or None
        )
    except DeskError as error:
        return await _refused(request, access, id, error)
    return on_to("/queue?sent=1")


@router.post("/priority")
@audited(AuditAction.AMEND)
async def set_priority(
    request: Request, access: PageWorker, id: CallbackPath, priority: Annotated[Priority, Form()]
) -> Response:
    """Mark it as urgent, or not."""
    edits = access.services.callbacks.edits
    return await _done(request, access, id, lambda: edits.amend(access.actor, id, versions=None, priority=priority))


@router.post("/topic")
@audited(AuditAction.AMEND)
async def set_topic(
    request: Request,
    access: PageWorker,
    id: CallbackPath,
    topic: Annotated[str, Form(max_length=32, pattern=TOPIC)] = "",
) -> Response:
    """Say what it is about."""
    try:
        changed = await access.services.callbacks.edits.amend(access.actor, id, versions=None, topic=topic)
    except DeskError as error:
        return await _refused(request, access, id, error)
    return await _card(request, access, changed, notice=words_for(request)("card.topic_saved"))


@router.post("/note")
@audited(AuditAction.AMEND)
async def write_note(
    request: Request, access: PageWorker, id: CallbackPath, instead_of: WholeNote = "", note: WholeNote = ""
) -> Response:
    """Save the note instead of the one that the person read. A colleague's newer one is shown next to what was typed.

    What else has changed since then is no conflict: the answer to a claim may have been lost on the way.
    """
    edits = access.services.callbacks.edits
    try:
        changed = await edits.amend(access.actor, id, versions=None, note=note.strip(), instead_of=instead_of)
    except VersionConflict as error:
        newer = await access.services.callbacks.lists.get(access.actor, id)
        if notes.same_words(newer.note, note):
            return on_to(f"/callbacks/{id}")
        return await _card(request, access, newer, error=error, status=412, draft=note)
    except (IdentityInNote, UnprintableNote) as error:
        return await _refused(request, access, id, error, draft=_shown_again(note, error) or None)
    return await _card(request, access, changed, notice=words_for(request)("card.note_saved"))


@router.post("/promise")
@audited(AuditAction.CHANGE_PROMISE)
async def promise_again(
    request: Request,
    access: PageWorker,
    id: CallbackPath,
    fence: Annotated[int | None, Form()] = None,
    sms: Annotated[bool, Form()] = False,
) -> Response:
    """Make a new promise by the department's rules."""

    async def work() -> Callback:
        edits = access.services.callbacks.edits
        return (await edits.promise_again(access.actor, id, by=None, fence=fence, sms=sms)).callback

    return await _done(request, access, id, work)


@router.post("/dial")
@audited(AuditAction.DIAL)
async def dial(request: Request, access: PageWorker, id: CallbackPath, fence: Fence) -> Response:
    """Ring the person's phone, and then the patient."""
    try:
        await access.services.dials.request(access.actor, id, fence, access.agent.phone)
    except DeskError as error:
        return await _refused(request, access, id, error)
    return on_to(f"/callbacks/{id}?dialled=true")  # a busy phone may have ended it before the browser has followed


@router.post("/hang-up")
@audited(AuditAction.CANCEL_DIAL)
async def hang_up(request: Request, access: PageWorker, id: CallbackPath) -> Response:
    """End the person's dial."""
    try:
        await access.services.dials.cancel(access.actor, id)
    except DeskError as error:
        return await _refused(request, access, id, error)
    return on_to(f"/callbacks/{id}?dialled=true")


@router.post("/patient")
@audited(AuditAction.GET_PATIENT)
async def reveal(request: Request, access: PageWorker, id: CallbackPath) -> Response:
    """Show the whole identity number on the card, for as long as the page is open."""
    try:
        number = await access.services.callbacks.identity_reveal.reveal(access.actor, id)
    except DeskError as error:
        return await _refused(request, access, id, error)
    callback = await access.services.callbacks.lists.get(access.actor, id)
    return await _card(request, access, callback, identity=number.value if number else None)


async def _done(
    request: Request,
    access: PageWorker,
    id: CallbackId,
    work: Callable[[], Awaitable[Callback]],
    *,
    goes_on: bool = False,
    attempt_note: str = "",
) -> Response:
    """Do the work and show the card with what happens now; a refusal is shown on it too, with what was typed."""
    try:
        changed = await work()
    except DeskError as error:
        return await _refused(request, access, id, error, attempt_note=_shown_again(attempt_note, error))
    return await _card(request, access, changed, notice=_next_step(access, changed), goes_on=goes_on)


def _next_step(access: PageReader, callback: Callback) -> str:
    department = access.services.departments().get(callback.department)
    return what_happens_next(callback, department, access.services.clock.now())


async def _refused(
    request: Request,
    access: PageWorker,
    id: CallbackId,
    error: DeskError,
    *,
    draft: str | None = None,
    attempt_note: str = "",
) -> Response:
    callback = await access.services.callbacks.lists.get(access.actor, id)
    return await _card(
        request, access, callback, error=error, status=_status(error), draft=draft, attempt_note=attempt_note
    )


def _shown_again(typed: str, error: DeskError) -> str:
    """What was typed, for the form that was refused. An identity number stays in the browser that has it."""
    return "" if isinstance(error, IdentityInNote) else typed


def _status(error: DeskError) -> int:
    if isinstance(error, IdentityInNote | UnprintableNote):
        return 422
    return 429 if error.retry_after else 409


async def _card(
    request: Request,
    access: PageReader,
    callback: Callback,
    *,
    status: int = 200,
    error: DeskError | None = None,
    notice: str | None = None,
    identity: str | None = None,
    draft: str | None = None,
    attempt_note: str = "",
    goes_on: bool = False,
) -> Response:
    """Render the card. `draft` and `attempt_note`: what was typed and is not saved.

    `goes_on`: the person is done with it, so that the next one is offered.
    """
    latest, newest = await dials.with_its_dial(access, callback)
    if newest.status is not callback.status:  # the dial has recorded its outcome meanwhile
        notice, goes_on = notice or _next_step(access, newest), True
    callback = newest
    services, words, now = access.services, words_for(request), access.services.clock.now()
    departments = services.departments()
    history = await services.callbacks.lists.history(access.actor, callback.id)
    promises = await services.ledger.of_callback(access.actor, callback.id)
    others = await services.callbacks.lists.others_of_person(access.actor, callback.id, MOST_OTHERS)
    may_work = access.agent.scope(Permission.WORK).covers(callback.department)
    broken = sum(each.state is PromiseState.BROKEN for each in promises)
    return render(
        request,
        "card.html",
        access,
        status=status,
        row=row_of(words, callback, departments, agent=access.agent.name, now=now),
        callback=callback,
        history=history,
        broken=broken,
        attempts=callback.attempts,
        outcomes=OUTCOMES,
        reasons=REASONS,
        others_of_person=[row_of(words, each, departments, agent=access.agent.name, now=now) for each in others],
        topics=departments[callback.department].topics if callback.department in departments else {},
        others=[each for each in departments.all() if each.slug != callback.department],
        added_phone=_readable_text(callback.added_phone),
        ready_note=_ready_note(access, callback),
        may_work=may_work,
        goes_on=may_work and (goes_on or callback.status in (Status.CLOSED, Status.UNREACHABLE)),
        once=secrets.token_urlsafe(24),
        alert=in_words(words, error) if error else None,
        notice=notice,
        identity=identity,
        draft=draft,
        newer_note=isinstance(error, VersionConflict),
        attempt_note=attempt_note,
        leased=moments.clock_time(callback.lease_until) if callback.lease_until else None,
        **dials.shown(latest, callback),
    )


def _ready_note(access: PageReader, callback: Callback) -> str | None:
    """The note to paste into the medical record, once the patient was not reached."""
    if callback.status is not Status.UNREACHABLE:
        return None
    return _next_step(access, callback)


def _readable_text(e164: str | None) -> str | None:
    """A stored number in readable groups."""
    return readable(PhoneNumber(e164, mobile=False)) if e164 else None
