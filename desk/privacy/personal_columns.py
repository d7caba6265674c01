"""Which columns hold a person's data, and what is left in them after deletion. Deletion follows this list only.

A new column that could identify someone, or say what their call is about, is added to `PERSONAL`, or to `NOT_PERSONAL`
with the reason. A test fails while one is missing. Counts, times, outcomes and departments stay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, String, case, cast, delete, func, select, update

from desk.database.unit_of_work import Unit
from desk.ids import CallbackId
from desk.inquiries.model import Status
from desk.inquiries.repository import kept
from desk.numbers.phone_number import PhoneNumber
from desk.recordings import repository as recordings
from desk.schema.tables import answers, attempts, callbacks, calls, dials, history, inquiries, outbox


@dataclass(frozen=True, eq=False)
class PersonalColumns:
    """The columns of one table with personal data. `of`: the callback's id; `left`: the values after deletion."""

    of: Column[Any]
    left: Mapping[str, Any]


def _nameless(column: Column[Any]) -> Any:
    """Replace a channel id: Asterisk's own logs show who called on a channel."""
    return "deleted-" + cast(column.table.c.id, String)


PERSONAL: Final[tuple[PersonalColumns, ...]] = (
    PersonalColumns(
        inquiries.c.id,
        {
            **{"note": None, "subject_key": None},
            **{"patient_kind": None, "patient_masked": None, "patient_number": None, "patient_index": None},
        },
    ),
    PersonalColumns(callbacks.c.id, {"phone": "", "phone_mobile": False, "added_phone": None}),
    PersonalColumns(attempts.c.callback_id, {"note": None}),
    PersonalColumns(history.c.inquiry_id, {"note": None}),
    PersonalColumns(
        calls.c.callback_id,
        {
            **{"phone": None, "phone_mobile": None, "channel_id": _nameless(calls.c.channel_id)},
            **{"patient_kind": None, "patient_masked": None, "patient_number": None, "patient_index": None},
        },
    ),
    PersonalColumns(dials.c.callback_id, {"phone": "", "phone_mobile": False}),
    PersonalColumns(
        outbox.c.callback_id,
        {
            **{"phone": None, "text": None, "reference": None, "parts": None},
            "state": case((outbox.c.state == "queued", "expired"), else_=outbox.c.state),
        },
    ),
)

NOT_PERSONAL: Final = {
    "inquiries.promise_spoken": "when we call back, as it was said",
    "promises.promise_spoken": "when we call back, as it was said",
    "dials.agent_phone": "an agent's endpoint",
    "agents.phone": "an agent's endpoint",
    "tokens.hash": "an agent's",
    "sessions.hash": "an agent's",
    "devices.hash": "an agent's",
    "external_identities.refresh_token": "an agent's; sealed",
    "second_factors.secret": "an agent's; sealed",
    "recovery_codes.hash": "an agent's",
    "used_nonces.hash": "of a log-in that is not finished, or a logout",
    "answers.answer": "deleted with its row after a day",
    "answers.fingerprint": "deleted with its row after a day",
    "closures.text": "which prompt is played",
    "emergency_access.reason": "why a colleague read another department; numbers are refused in it",
    "vault_keys.canary": "a known word",
    **dict.fromkeys(
        ("audit.patient_index", "audit_callbacks.patient_index", "audit_patients.patient_index"),
        "it must be possible to find who saw the patient for as long as the audit is kept, which has its own time",
    ),
    "audit_patients.number": "sealed; whose number was shown, kept as long as the audit",
    "audit.hash": "of the row",
    "audit.through_hash": "of a row",
    "recordings.key": "deleted with its row when the callback's data are",
    "recordings.sound": "deleted with its row when the callback's data are",
}
"""Columns of free text, bytes and phones that identify no patient, with the reason."""

c = inquiries.c


async def due(unit: Unit, closed_before: datetime, limit: int) -> Sequence[CallbackId]:
    """Lock callbacks closed by that time that still have personal data and no legal hold, oldest first."""
    query = (
        select(c.id)
        .where(c.closed_at.is_not(None), kept, c.closed_at <= closed_before)
        .where(c.status == Status.CLOSED.value, c.legal_hold.is_(None))
    )
    query = query.order_by(c.closed_at).limit(limit).with_for_update(skip_locked=True)
    return list((await unit.connection.execute(query)).scalars())


async def forget(unit: Unit, ids: Sequence[CallbackId]) -> None:
    """Delete the personal data of these callbacks, which are locked and closed. It can't be undone."""
    await recordings.remove(unit, ids)
    for personal in PERSONAL:
        values = dict(personal.left)
        if personal.of is c.id:
            values |= {"forgotten_at": unit.now, "version": c.version + 1}
        elif personal.of is calls.c.callback_id:
            values["forgotten_at"] = unit.now
        those = update(personal.of.table).where(personal.of.in_(ids))
        if personal.of is history.c.inquiry_id:
            those = those.where(history.c.note.is_not(None))  # hardly any of many rows
        await unit.connection.execute(those.values(**values))


async def forget_incomplete_calls(unit: Unit, before: datetime, limit: int) -> int:
    """Delete who made calls that led to no callback, up to that time. The calls still count. Returns how many."""
    old = select(calls.c.id).where(calls.c.incomplete, calls.c.forgotten_at.is_(None), calls.c.at <= before)
    old = old.order_by(calls.c.at).limit(limit).with_for_update(skip_locked=True)
    return await _forget_calls(unit, list((await unit.connection.execute(old)).scalars()))


async def forget_calls_of_phone(unit: Unit, phone: PhoneNumber) -> int:
    """The same for all incomplete calls from one phone, however new."""
    query = select(calls.c.id).where(calls.c.incomplete, calls.c.forgotten_at.is_(None), calls.c.phone == phone.e164)
    return await _forget_calls(unit, list((await unit.connection.execute(query.with_for_update())).scalars()))


async def _forget_calls(unit: Unit, ids: Sequence[int]) -> int:
    (left,) = (each.left for each in PERSONAL if each.of is calls.c.callback_id)
    if ids:
        await unit.connection.execute(update(calls).where(calls.c.id.in_(ids)).values(**left, forgotten_at=unit.now))
    return len(ids)


async def delete_answers_before(unit: Unit, before: datetime, limit: int) -> int:
    """Delete answers stored for repeated requests up to that time: they hold copies of callbacks. Returns how many."""
    old = select(answers.c.id).where(answers.c.at <= before).order_by(answers.c.at).limit(limit)
    ids = list((await unit.connection.execute(old.with_for_update(skip_locked=True))).scalars())
    return await delete_answers(unit, ids)


async def delete_answers(unit: Unit, ids: Sequence[int]) -> int:
    """Delete these answers. Returns how many there were."""
    if ids:
        await unit.connection.execute(delete(answers).where(answers.c.id.in_(ids)))
    return len(ids)


async def count_held(unit: Unit) -> int:
    """Count the callbacks under legal hold."""
    query = select(func.count()).select_from(inquiries).where(c.legal_hold.is_not(None))
    return int((await unit.connection.execute(query)).scalar_one())
