"""What happens to one callback inside a unit of work: registered, moved to another status, promised a new time.

Each transition writes one history row.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from desk.callbacks import repository as rows
from desk.callbacks.model import UNANSWERED, Attempt, AttemptOutcome, Callback
from desk.callbacks.repository import RANK
from desk.database.unit_of_work import Unit
from desk.departments.departments import Department
from desk.history import repository as history
from desk.history.model import Details, HistoryEntry
from desk.ids import CallbackId, new_callback_id
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
    unit: Unit,
    rules: Department,
    vault: Vault,
    patient: IdentityNumber | None,
    phone: PhoneNumber,
    language: str,
    offer: PromiseOffer,
    *,
    priority: Priority = Priority.NORMAL,
    note: str | None = None,
    details: Details | None = None,
) -> Callback:
    """Add a callback with its first promise."""
    spoken = spoken_text(offer.promise, rules, unit.now, language)
    id = new_callback_id()
    callback = await rows.add(
        unit,
        id=id,
        department=rules.slug,
        priority=RANK[priority],
        note=note,
        phone=phone.e164,
        phone_mobile=phone.mobile,
        **patient_columns(vault, patient, id),
        language=language,
        created_at=unit.now,
        attempts_from=unit.now,
        **rows.promise_columns(offer.promise, spoken),
    )
    await _store_promise(unit, callback, rules, offer, spoken, PromiseReason.REGISTERED)
    await record_event(unit, callback, "registered", to_status=Status.WAITING, details=details)
    return callback


def patient_columns(vault: Vault, patient: IdentityNumber | None, id: str) -> dict[str, Any]:
    """A patient as the columns of `callbacks`, the identity number sealed."""
    return {
        "patient_kind": patient.kind.value if patient else None,
        "patient_masked": patient.masked if patient else None,
        "patient_number": vault.seal(patient.value, rows.PATIENT_NUMBER, id) if patient else None,
        "patient_index": vault.index(patient.value) if patient else None,
    }


async def indexes(unit: Unit, vault: Vault, callback: Callback) -> Sequence[bytes] | None:
    """Every index that other callbacks of the same person may have; None without a person.

    If the identity number can't be opened, only the index that the callback has.
    """
    if callback.patient_index is None or len(vault.index_versions) == 1:
        return None if callback.patient_index is None else [callback.patient_index]
    sealed = await rows.sealed_patient(unit, callback.id)
    try:
        return vault.indexes(vault.open(sealed[0], rows.PATIENT_NUMBER, callback.id)) if sealed else None
    except CannotOpen:
        return [callback.patient_index]


async def rang_again(
    unit: Unit,
    rules: Department,
    callback: Callback,
    phone: PhoneNumber,
    language: str,
    *,
    changed: Mapping[str, Any] | None = None,
    more: Details | None = None,
) -> Callback:
    """Record that the same person rang while the callback was open, or that an agent booked it again.

    A promise still ahead stands. If it has passed, it was broken: the callback gets a new one and goes first in line.
    It also goes first in line after an unanswered attempt. An unreachable callback waits again, with its attempts
    counted from the start.
    """
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
        changes |= await _renewed(unit, rules, callback, PromiseReason.RANG_AGAIN) | {"attempts_from": unit.now}
    elif callback.promise.by <= unit.now:
        changes |= await _renewed(unit, rules, callback, PromiseReason.RANG_AGAIN)
        changes["priority"] = RANK[Priority.URGENT]
        details["promise_broken"] = True
    if tried_in_vain(callback):
        changes["priority"] = RANK[Priority.URGENT]
    changes |= changed or {}
    return await transition(unit, callback, "rang_again", to=to, details=details, **changes)


async def reopen(unit: Unit, rules: Department, callback: Callback, *, cut_off: bool = False) -> Callback:
    """Reopen a closed or unreachable callback, with a new promise and its attempts counted from the start.

    A callback that was `cut_off` goes first in line. Raises IllegalMove.
    """
    if callback.status is Status.CLAIMED:
        raise IllegalMove("it is claimed")  # only its agent may release it
    to = next_status(callback.status, Status.WAITING)
    changes = await _renewed(unit, rules, callback, PromiseReason.REOPENED)
    changes |= {"attempts_from": unit.now, "not_before": None}
    if cut_off:
        changes["priority"] = RANK[Priority.URGENT]
    return await transition(unit, callback, "reopened", to=to, details={"cut_off": cut_off}, **changes)


async def attempt(
    unit: Unit, rules: Department, callback: Callback, outcome: AttemptOutcome, note: str | None
) -> Callback:
    """Record an attempt to reach the patient, and make the transition it leads to."""
    step = offer = None
    if outcome in UNANSWERED:
        step, offer = await unanswered(unit, rules, callback.promise, callback.counted, excluding=callback.id)
    counted = step.counted if step else outcome in CLOSING
    made = Attempt(unit.now, unit.actor.name, outcome, counted, note)
    callback = await rows.add_attempt(unit, callback, made)
    details: Details = {"outcome": outcome.value, "counted": counted}
    if outcome in CLOSING:
        await record_event(unit, callback, "attempt", details=details)
        return await close(unit, callback, CLOSING[outcome], None)
    if step and step.is_last:
        await record_event(unit, callback, "attempt", details=details)
        ready = joined(callback.note, attempts_note(callback.counted))
        return await transition(unit, callback, "unreachable", to=Status.UNREACHABLE, note=ready)
    changes: dict[str, Any] = {"priority": RANK[Priority.URGENT], "not_before": None}  # cut off: first in line
    if step:
        changes = {"not_before": (offer.promise if offer else callback.promise).from_}
        if offer:
            changes |= await renew_promise(unit, rules, callback, PromiseReason.ATTEMPT, offer)
    return await transition(unit, callback, "attempt", to=Status.WAITING, details=details, **changes)


async def close(unit: Unit, callback: Callback, reason: ClosedReason, note: str | None) -> Callback:
    """Close a callback. Nothing is deleted; it may be reopened."""
    return await transition(
        unit,
        callback,
        "closed",
        to=Status.CLOSED,
        details={"reason": reason.value},
        closed_reason=reason.value,
        closed_at=unit.now,
        note=joined(callback.note, note),
    )


async def expire(unit: Unit, callback: Callback) -> Callback:
    """Return a callback to the line because its lease ran out."""
    details: Details = {"agent": callback.claimed_by}
    return await transition(unit.as_system(), callback, "lease_expired", to=Status.WAITING, details=details)


async def transition(
    unit: Unit,
    callback: Callback,
    event: str,
    *,
    to: Status | None = None,
    details: Details | None = None,
    **changes: Any,
) -> Callback:
    """Change a locked callback, and its status if `to` is set, and write one history row. Raises IllegalMove."""
    was = callback.status
    if to is not None:
        changes["status"] = next_status(was, to).value
        if was is Status.CLAIMED:
            changes |= {"claimed_by": None, "lease_until": None}
        if was is Status.CLOSED:
            changes |= {"closed_reason": None, "closed_at": None}
    changed = await rows.change(unit, callback, **changes)
    from_status = was if to else None
    await record_event(unit, changed, event, from_status=from_status, to_status=to, details=details)
    return changed


async def record_event(
    unit: Unit,
    callback: Callback,
    event: str,
    *,
    from_status: Status | None = None,
    to_status: Status | None = None,
    details: Details | None = None,
) -> None:
    """Write one history row."""
    entry = HistoryEntry(callback.id, callback.department, event, from_status, to_status, details or {})
    await history.add(unit, [entry])


async def record_claims(unit: Unit, taken: Sequence[Callback]) -> None:
    """Write a history row for each of the callbacks just claimed."""
    states = (Status.WAITING, Status.CLAIMED)
    await history.add(unit, [HistoryEntry(each.id, each.department, "claimed", *states) for each in taken])


def tried_in_vain(callback: Callback) -> bool:
    """Whether an attempt was not answered and no agent has the callback now: a caller who rings now can be reached."""
    tries = (each for each in callback.attempts if each.at >= callback.attempts_from)
    return callback.status is not Status.CLAIMED and any(each.outcome in UNANSWERED for each in tries)


def is_live(unit: Unit, callback: Callback) -> bool:
    """Whether a lease holds the callback now."""
    return callback.lease_until is not None and callback.lease_until > unit.now


def require_claim(unit: Unit, callback: Callback, fence: int) -> None:
    """Raises ClaimLost unless the actor has the callback, by the claim that gave `fence`."""
    mine = callback.claimed_by == unit.actor.name and callback.fence == fence
    if callback.status is not Status.CLAIMED or not mine:
        raise ClaimLost


async def locked_claim(unit: Unit, id: CallbackId, fence: int) -> Callback:
    """Lock a callback that the actor has claimed. Raises CallbackNotFound, and ClaimLost as `require_claim` does.

    A lease that ran out is forgiven if nothing has happened to the callback since: the attempt was made and is worth
    keeping. The claim goes on with the same fence, since no one else has claimed.
    """
    callback = await rows.locked(unit, id)
    if callback.status is Status.WAITING and callback.fence == fence:
        last = await history.last_transition(unit, id)
        if last and last.event == "lease_expired" and last.details.get("agent") == unit.actor.name:
            callback = await transition(
                unit,
                callback,
                "claimed",
                to=Status.CLAIMED,
                details={"late": True},
                claimed_by=unit.actor.name,
                lease_until=unit.now,
            )
    require_claim(unit, callback, fence)
    return callback


async def unclaimed(unit: Unit, callback: Callback) -> Callback:
    """Return the callback free of any claim; a claim whose lease ran out is ended here.

    Raises AlreadyClaimed under another agent's live claim, and ClaimLost under the actor's own, which needs its fence.
    """
    if is_live(unit, callback):
        raise ClaimLost if callback.claimed_by == unit.actor.name else AlreadyClaimed
    return await expire(unit, callback) if callback.status is Status.CLAIMED else callback


async def changeable(unit: Unit, id: CallbackId, fence: int | None) -> Callback:
    """Lock a callback that the actor may change: claimed with that fence, or (None) claimed by no one.

    Raises CallbackNotFound, ClaimLost, AlreadyClaimed.
    """
    if fence is None:
        return await unclaimed(unit, await rows.locked(unit, id))
    return await locked_claim(unit, id, fence)


def joined(note: str | None, more: str | None) -> str | None:
    """Join two notes, one below the other: what someone wrote is never overwritten."""
    return "\n".join(part for part in (note, more) if part) or None


async def renew_promise(
    unit: Unit, rules: Department, callback: Callback, reason: PromiseReason, offer: PromiseOffer
) -> dict[str, Any]:
    """Store a new promise. Returns it as the callback's columns."""
    spoken = spoken_text(offer.promise, rules, unit.now, callback.language)
    await _store_promise(unit, callback, rules, offer, spoken, reason)
    return rows.promise_columns(offer.promise, spoken)


async def _renewed(unit: Unit, rules: Department, callback: Callback, reason: PromiseReason) -> dict[str, Any]:
    offer = await next_promise(unit, rules, excluding=callback.id)
    return await renew_promise(unit, rules, callback, reason, offer)


async def _store_promise(
    unit: Unit, callback: Callback, rules: Department, offer: PromiseOffer, spoken: str, reason: PromiseReason
) -> None:
    due_at = due(rules, offer.promise)
    await rows.add_promise(unit, callback, offer.promise, spoken, department=rules.slug, due=due_at, reason=reason)
