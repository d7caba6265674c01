"""What happens to one callback inside a unit of work, beyond what happens to any inquiry.

Each transition writes one history row. Those that all channels share: desk/inquiries/transitions.py.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from desk.access.actor import Actor
from desk.access.permissions import EVERYTHING
from desk.access.trail import NO_TRAIL
from desk.callbacks import repository as rows
from desk.callbacks.model import UNANSWERED, Attempt, AttemptOutcome, Callback, new_callback, subject_key
from desk.database.together import Write, write_together
from desk.database.unit_of_work import Unit
from desk.departments.calendar import may_ring
from desk.departments.departments import Department
from desk.history import repository as history
from desk.history.model import Details, HistoryEntry
from desk.ids import CallbackId
from desk.inquiries import notes
from desk.inquiries import transitions as inquiries
from desk.inquiries.availability import unanswered
from desk.inquiries.model import ClosedReason, Priority, Status
from desk.inquiries.repository import PATIENT_NUMBER, RANK
from desk.inquiries.transitions import record_event, renew_promise, renewed, transition
from desk.numbers.identity_number import IdentityNumber
from desk.numbers.phone_number import PhoneNumber
from desk.promises.model import PromiseOffer, PromiseReason
from desk.promises.rules import attempts_note, spoken_text
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
    another: bool = False,
    first_time: bool = False,
    suspected: bool = False,
    beside: Callable[[CallbackId], Write] | None = None,
) -> Callback:
    """Add a callback with its first promise. `another`: for someone else on a phone that has an open callback.

    `first_time`: neither person nor phone was known before. `suspected`: it is part of a flood of such callers.
    `beside`: a write about the callback that belongs in the same statement.
    """
    spoken = spoken_text(offer.promise, rules, unit.now, language)
    callback = replace(
        new_callback(rules.slug, patient, phone, offer.promise, spoken, language=language, at=unit.now),
        patient_index=vault.index(patient.value) if patient else None,
        priority=priority,
        note=note,
        first_time=first_time,
        suspected=suspected,
        others_on_phone=await rows.open_on_phone(unit, rules.slug, phone),
    )
    sealed = vault.seal(patient.value, PATIENT_NUMBER, callback.id) if patient else None
    entry = HistoryEntry(callback.id, callback.department, "registered", None, Status.WAITING, details or {})
    await write_together(
        unit.connection,
        *rows.adding(unit, callback, patient_number=sealed, another=another),
        inquiries.adding_promise(unit, callback, rules, offer, spoken, PromiseReason.REGISTERED),
        history.adding_first(unit, entry, callback.version),
        *([beside(callback.id)] if beside else []),
    )
    return callback


def patient_columns(vault: Vault, patient: IdentityNumber, callback: Callback) -> dict[str, Any]:
    """A patient as the columns of `inquiries`, the identity number sealed."""
    index = vault.index(patient.value)
    return {
        "patient_kind": patient.kind.value,
        "patient_masked": patient.masked,
        "patient_number": vault.seal(patient.value, PATIENT_NUMBER, callback.id),
        "patient_index": index,
        "subject_key": subject_key(index, callback.phone),
    }


async def indexes(unit: Unit, vault: Vault, callback: Callback) -> Sequence[bytes] | None:
    """Every index that other callbacks of the same person may have; None without a person.

    If the identity number can't be opened, only the index that the callback has.
    """
    if callback.patient_index is None or len(vault.index_versions) == 1:
        return None if callback.patient_index is None else [callback.patient_index]
    sealed = await rows.sealed_patient(unit, callback.id)
    try:
        return vault.indexes(vault.open(sealed[0], PATIENT_NUMBER, callback.id)) if sealed else None
    except CannotOpen:
        return [callback.patient_index]


async def change_phone(unit: Unit, callback: Callback, phone: PhoneNumber) -> Callback:
    """Change the number that is called, because the caller asks."""
    callback = await rows.change_own(unit, callback, phone=phone.e164, phone_mobile=phone.mobile)
    key = subject_key(callback.patient_index, phone)
    return await transition(unit, callback, "phone_changed", subject_key=key)


async def add_phone(unit: Unit, callback: Callback, phone: PhoneNumber) -> Callback:
    """Add a number that was given from another phone. The number that is called stays."""
    callback = await rows.change_own(unit, callback, added_phone=phone.e164)
    return await transition(unit, callback, "phone_added", details={"other_phone": True})


async def doubt_identity(unit: Unit, callback: Callback) -> Callback:
    """Record that the identity number may be someone else's: more digits followed it."""
    callback = await rows.change_own(unit, callback, identity_doubtful=True)
    return await transition(unit, callback, "identity_doubted")


async def transfer(
    unit: Unit, rules: Department, callback: Callback, vault: Vault, *, keep_promise: bool, note: str | None
) -> tuple[Callback, bool]:
    """Transfer an open callback to another department, with its attempts counted from the start.

    If the same person waits there, that callback takes over what this one says, and this one arrives closed as a
    duplicate. Returns it, and whether its promise was kept. Raises IllegalMove (it is there already).
    """
    receiver = unit.acting_as(Actor(unit.actor.name, EVERYTHING, NO_TRAIL))  # the sender is shown nothing of it
    there = None
    if callback.department != rules.slug:
        there = await rows.find_open(receiver, rules.slug, await indexes(unit, vault, callback), callback.phone)
    offer, kept = await inquiries.transfer_offer(unit, rules, callback, keep_promise=keep_promise)
    sent = await inquiries.transfer(unit, rules, callback, offer, kept=kept, note=note, merged=there is not None)
    if there is not None:
        await merge(receiver, rules, there, sent, offer, sent_from=callback.department)
    return await rows.change_own(unit, sent, attempts_from=unit.now), kept


async def merge(
    unit: Unit, rules: Department, callback: Callback, duplicate: Callback, offer: PromiseOffer, *, sent_from: str
) -> Callback:
    """Add to a waiting callback what was transferred about the same person. The earlier of the two promises holds.

    Its phone number stays; another one is added as a number that was given from another phone.
    """
    own: dict[str, Any] = {"call_count": callback.call_count + duplicate.call_count}
    if duplicate.phone != callback.phone:
        own["added_phone"] = duplicate.phone.e164
    changes: dict[str, Any] = {"note": notes.joined(callback.note, duplicate.note), "not_before": None}
    to = None
    if callback.status is Status.UNREACHABLE:
        to = Status.WAITING
        own["attempts_from"] = unit.now
    if to is not None or offer.promise.by < callback.promise.by:
        changes |= await renew_promise(unit, rules, callback, PromiseReason.TRANSFERRED, offer)
    if duplicate.priority is Priority.URGENT:
        changes["priority"] = RANK[Priority.URGENT]
    callback = await rows.change_own(unit, callback, **own)
    details: Details = {"from": sent_from, "other_phone": "added_phone" in own}
    return await transition(unit, callback, "merged", to=to, details=details, **changes)


async def rang_again(
    unit: Unit,
    rules: Department,
    callback: Callback,
    phone: PhoneNumber,
    language: str,
    *,
    changed: Mapping[str, Any] | None = None,
    more: Details | None = None,
    patient: IdentityNumber | None = None,
) -> Callback:
    """Record that the same person rang while the callback was open, or that an agent booked it again.

    A promise still ahead stands. If it has passed, it was broken: the callback gets a new one and goes first in line.
    It also goes first in line after an unanswered attempt. An unreachable callback waits again, with its attempts
    counted from the start. A `patient` whose identity number was keyed decides whether that number is in doubt.
    """
    own: dict[str, Any] = {"call_count": callback.call_count + 1, "phone": phone.e164, "phone_mobile": phone.mobile}
    if patient:
        own["identity_doubtful"] = patient.doubtful
    changes: dict[str, Any] = {
        "subject_key": subject_key(callback.patient_index, phone),
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
        changes |= await renewed(unit, rules, callback, PromiseReason.RANG_AGAIN)
        own["attempts_from"] = unit.now
    elif callback.promise.by <= unit.now:
        changes |= await renewed(unit, rules, callback, PromiseReason.RANG_AGAIN)
        changes["priority"] = RANK[Priority.URGENT]
        details["promise_broken"] = True
    if tried_in_vain(callback):
        changes["priority"] = RANK[Priority.URGENT]
    changes |= changed or {}
    callback = await rows.change_own(unit, callback, **own)
    return await transition(unit, callback, "rang_again", to=to, details=details, **changes)


async def reopen(unit: Unit, rules: Department, callback: Callback, *, cut_off: bool = False) -> Callback:
    """Reopen a closed or unreachable callback, with a new promise and its attempts counted from the start.

    A callback that was `cut_off` goes first in line. Raises IllegalMove.
    """
    reopened = await inquiries.reopen(unit, rules, callback, cut_off=cut_off)
    return await rows.change_own(unit, reopened, attempts_from=unit.now)


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
    in_hours = may_ring(rules, unit.now)
    details: Details = {"outcome": outcome.value, "counted": counted, "in_hours": in_hours}
    if outcome in CLOSING:
        await record_event(unit, callback, "attempt", details=details)
        return await inquiries.close(unit, callback, CLOSING[outcome], None)
    if step and step.is_last:
        await record_event(unit, callback, "attempt", details=details)
        ready = notes.joined(callback.note, attempts_note(callback.counted))
        return await transition(unit, callback, "unreachable", to=Status.UNREACHABLE, note=ready)
    changes: dict[str, Any] = {"priority": RANK[Priority.URGENT], "not_before": None}  # cut off: first in line
    if step:
        changes = {"not_before": (offer.promise if offer else callback.promise).from_}
        if offer:
            changes |= await renew_promise(unit, rules, callback, PromiseReason.ATTEMPT, offer)
    return await transition(unit, callback, "attempt", to=Status.WAITING, details=details, **changes)


def tried_in_vain(callback: Callback) -> bool:
    """Whether an attempt was not answered and no agent has the callback now: a caller who rings now can be reached."""
    tries = (each for each in callback.attempts if each.at >= callback.attempts_from)
    return callback.status is not Status.CLAIMED and any(each.outcome in UNANSWERED for each in tries)
