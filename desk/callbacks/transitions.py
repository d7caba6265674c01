"""What happens to one callback inside a unit of work: made, moved, promised anew. Each next_status leaves one
history row.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from desk.access.permissions import Scope
from desk.callbacks import repository as rows
from desk.callbacks.model import UNANSWERED, Attempt, AttemptOutcome
from desk.callbacks.repository import RANK, Stored
from desk.database.engine import Connection
from desk.departments.departments import Department
from desk.history import history
from desk.history.history import CALLER, SYSTEM, Details, Entry
from desk.inquiries.availability import next_promise, unanswered
from desk.inquiries.errors import AlreadyClaimed, ClaimLost, IllegalMove
from desk.inquiries.model import ClosedReason, Priority, Status, next_status
from desk.numbers.identity_number import IdentityNumber
from desk.numbers.phone_number import PhoneNumber
from desk.promises.model import PromiseOffer, PromiseReason
from desk.promises.rules import attempts_note, due, spoken_text
from desk.vault.errors import CannotOpen
from desk.vault.vault import Vault

CLOSING = {AttemptOutcome.REACHED: ClosedReason.REACHED, AttemptOutcome.WRONG_NUMBER: ClosedReason.WRONG_NUMBER}


async def add_callback(
    connection: Connection,
    rules: Department,
    vault: Vault,
    patient: IdentityNumber | None,
    phone: PhoneNumber,
    language: str,
    now: datetime,
    *,
    actor: str = CALLER,
    priority: Priority = Priority.NORMAL,
    note: str | None = None,
    details: Details | None = None,
    given: PromiseOffer | None = None,
) -> Stored:
    """A new callback with its first promise, the next there is room for unless given: the caller's, or `actor`'s."""
    given = given or await next_promise(connection, rules, now)
    spoken = spoken_text(given.promise, rules, now, language)
    id = str(uuid4())
    stored = await rows.add(
        connection,
        id=id,
        department=rules.slug,
        priority=RANK[priority],
        note=note,
        phone=phone.e164,
        phone_mobile=phone.mobile,
        patient_kind=patient.kind.value if patient else None,
        patient_masked=patient.masked if patient else None,
        patient_number=vault.seal(patient.value, rows.PATIENT_NUMBER, id) if patient else None,
        patient_index=vault.index(patient.value) if patient else None,
        language=language,
        created_at=now,
        attempts_from=now,
        **rows.promise_columns(given.promise, spoken),
    )
    await _keep_promise(connection, stored, rules, now, given, spoken, PromiseReason.REGISTERED)
    await record_event(connection, stored, "registered", actor, now, to_status=Status.WAITING, details=details)
    return stored


async def indexes(connection: Connection, vault: Vault, stored: Stored) -> Sequence[bytes] | None:
    """Every index the callback's person may stand under in other rows; None without a person.

    One whose number doesn't open is looked for by the index it has.
    """
    if stored.patient_index is None or len(vault.index_versions) == 1:
        return None if stored.patient_index is None else [stored.patient_index]
    sealed = await rows.sealed_patient(connection, stored.callback.id, scope=Scope.of([stored.callback.department]))
    try:
        return vault.indexes(vault.open(sealed[0], rows.PATIENT_NUMBER, stored.callback.id)) if sealed else None
    except CannotOpen:
        return [stored.patient_index]


async def rang_again(
    connection: Connection,
    rules: Department,
    stored: Stored,
    phone: PhoneNumber,
    language: str,
    now: datetime,
    *,
    actor: str = CALLER,
    changed: Mapping[str, Any] | None = None,
    more: Details | None = None,
) -> Stored:
    """The same person rang while the callback was open, or `actor` booked it once more.

    A promise still to come stands. One that has passed was broken: a new one is given, and the callback goes first in
    line. So does one that was tried in vain. An unreachable one comes back, with its attempts counted from the start.
    """
    callback = stored.callback
    changes: dict[str, Any] = {
        "call_count": callback.call_count + 1,
        "phone": phone.e164,
        "phone_mobile": phone.mobile,
        "language": language,
        "not_before": None,  # someone who has just rung can be reached now
    }
    details: dict[str, str | int | bool | None] = {
        "call_count": callback.call_count + 1,
        "other_phone": phone != callback.phone,
        **(more or {}),
    }
    to = None
    if callback.status is Status.UNREACHABLE:
        to = Status.WAITING
        changes |= await renew_promise(connection, rules, stored, now, PromiseReason.RANG_AGAIN) | {
            "attempts_from": now
        }
    elif callback.promise.by <= now:
        changes |= await renew_promise(connection, rules, stored, now, PromiseReason.RANG_AGAIN)
        changes["priority"] = RANK[Priority.URGENT]
        details["promise_broken"] = True
    if tried_in_vain(stored):
        changes["priority"] = RANK[Priority.URGENT]
    changes |= changed or {}
    return await transition(connection, stored, "rang_again", actor, now, to=to, details=details, **changes)


async def reopen(
    connection: Connection, rules: Department, stored: Stored, agent: str, now: datetime, *, cut_off: bool = False
) -> Stored:
    """Closed or unreachable: waiting again, with a new promise and its attempts counted from the start.

    One that was `cut_off` goes first in line.
    """
    if stored.callback.status is Status.CLAIMED:
        raise IllegalMove("it is claimed")  # to go back to waiting is its agent's to decide
    to = next_status(stored.callback.status, Status.WAITING)
    changes = await renew_promise(connection, rules, stored, now, PromiseReason.REOPENED)
    changes |= {"attempts_from": now, "not_before": None}
    if cut_off:
        changes["priority"] = RANK[Priority.URGENT]
    return await transition(connection, stored, "reopened", agent, now, to=to, details={"cut_off": cut_off}, **changes)


async def attempt(
    connection: Connection,
    rules: Department,
    stored: Stored,
    agent: str,
    outcome: AttemptOutcome,
    note: str | None,
    now: datetime,
) -> Stored:
    """Write down a try to reach the patient, and add_callback the next_status it leads to."""
    step = given = None
    if outcome in UNANSWERED:
        held = stored.callback
        step, given = await unanswered(connection, rules, held.promise, stored.counted, now, excluding=held.id)
    counted = step.counted if step else outcome in CLOSING
    stored = await rows.add_attempt(connection, stored, Attempt(now, agent, outcome, counted, note))
    details: Details = {"outcome": outcome.value, "counted": counted}
    if outcome in CLOSING:
        await record_event(connection, stored, "attempt", agent, now, details=details)
        return await close(connection, stored, agent, CLOSING[outcome], None, now)
    if step and step.is_last:
        await record_event(connection, stored, "attempt", agent, now, details=details)
        ready = joined(stored.callback.note, attempts_note(stored.counted))
        return await transition(connection, stored, "unreachable", agent, now, to=Status.UNREACHABLE, note=ready)
    changes: dict[str, Any] = {"priority": RANK[Priority.URGENT], "not_before": None}  # cut off: first in line
    if step:
        changes = {"not_before": (given.promise if given else stored.callback.promise).from_}
        if given:
            changes |= await renew_promise(connection, rules, stored, now, PromiseReason.ATTEMPT, given)
    return await transition(connection, stored, "attempt", agent, now, to=Status.WAITING, details=details, **changes)


async def close(
    connection: Connection, stored: Stored, agent: str, reason: ClosedReason, note: str | None, now: datetime
) -> Stored:
    """Closed, for that reason. Nothing is deleted; it may be reopened."""
    return await transition(
        connection,
        stored,
        "closed",
        agent,
        now,
        to=Status.CLOSED,
        details={"reason": reason.value},
        closed_reason=reason.value,
        closed_at=now,
        note=joined(stored.callback.note, note),
    )


async def expire(connection: Connection, stored: Stored, now: datetime) -> Stored:
    """The lease ran out: waiting again."""
    details: Details = {"agent": stored.callback.claimed_by}
    return await transition(connection, stored, "lease_expired", SYSTEM, now, to=Status.WAITING, details=details)


async def transition(
    connection: Connection,
    stored: Stored,
    event: str,
    actor: str,
    now: datetime,
    *,
    to: Status | None = None,
    details: Details | None = None,
    **changes: Any,
) -> Stored:
    """Change a locked callback and, with `to`, next_status it; one history row. Raises `IllegalMove`."""
    was = stored.callback.status
    if to is not None:
        changes["status"] = next_status(was, to).value
        if was is Status.CLAIMED:
            changes |= {"claimed_by": None, "lease_until": None}
        if was is Status.CLOSED:
            changes |= {"closed_reason": None, "closed_at": None}
    changed = await rows.change(connection, stored, **changes)
    await record_event(
        connection, changed, event, actor, now, from_status=was if to else None, to_status=to, details=details
    )
    return changed


async def record_event(
    connection: Connection,
    stored: Stored,
    event: str,
    actor: str,
    now: datetime,
    *,
    from_status: Status | None = None,
    to_status: Status | None = None,
    details: Details | None = None,
) -> None:
    """One row of the callback's history."""
    callback = stored.callback
    entry = Entry(callback.id, callback.department, now, event, actor, from_status, to_status, details or {})
    await history.append(connection, [entry])


async def record_claims(connection: Connection, taken: Sequence[Stored], agent: str, now: datetime) -> None:
    """A history row for each of the callbacks just claimed."""
    entries = [
        Entry(each.callback.id, each.callback.department, now, "claimed", agent, Status.WAITING, Status.CLAIMED)
        for each in taken
    ]
    await history.append(connection, entries)


def tried_in_vain(stored: Stored) -> bool:
    """Whether we have rung and nobody answered, and no agent has it now: who rings then can be reached."""
    tries = (each for each in stored.callback.attempts if each.at >= stored.attempts_from)
    return stored.callback.status is not Status.CLAIMED and any(each.outcome in UNANSWERED for each in tries)


def is_live(stored: Stored, now: datetime) -> bool:
    """Whether someone's lease holds the callback."""
    return stored.callback.lease_until is not None and stored.callback.lease_until > now


def require_claim(stored: Stored, agent: str, fence: int) -> None:
    """Raises `ClaimLost` unless the claim that gave `fence` is still the last one.

    A lease that ran out while nobody else took the callback is forgiven: the attempt was made and is worth keeping.
    """
    callback = stored.callback
    if callback.status is not Status.CLAIMED or callback.claimed_by != agent or callback.fence != fence:
        raise ClaimLost


async def unclaimed(connection: Connection, stored: Stored, agent: str, now: datetime) -> Stored:
    """The callback free of any claim: one that ran out is ended here.

    Under a live one: `AlreadyClaimed`, or `ClaimLost` when it is the agent's own (who has to show its fence).
    """
    if is_live(stored, now):
        raise ClaimLost if stored.callback.claimed_by == agent else AlreadyClaimed
    return await expire(connection, stored, now) if stored.callback.status is Status.CLAIMED else stored


def joined(note: str | None, more: str | None) -> str | None:
    """Two notes, one below the other: what someone wrote is never overwritten."""
    return "\n".join(part for part in (note, more) if part) or None


async def renew_promise(
    connection: Connection,
    rules: Department,
    stored: Stored,
    now: datetime,
    reason: PromiseReason,
    given: PromiseOffer | None = None,
) -> dict[str, Any]:
    """Keep a new promise (the next there is room for unless given) and return the callback's columns for it."""
    given = given or await next_promise(connection, rules, now, excluding=stored.callback.id)
    spoken = spoken_text(given.promise, rules, now, stored.callback.language)
    await _keep_promise(connection, stored, rules, now, given, spoken, reason)
    return rows.promise_columns(given.promise, spoken)


async def _keep_promise(
    connection: Connection,
    stored: Stored,
    rules: Department,
    now: datetime,
    given: PromiseOffer,
    spoken: str,
    reason: PromiseReason,
) -> None:
    await rows.add_promise(
        connection,
        stored.callback.id,
        now,
        given.promise,
        spoken,
        department=rules.slug,
        due=due(rules, given.promise),
        reason=reason,
    )
