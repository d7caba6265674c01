"""Callbacks in the database: the columns that inquiries don't have, and the attempts.

A callback's row is changed only while its inquiry is locked, so a row read after locking is the newest.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Insert, Text, and_, cast, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql import FromClause, Select

from desk.callbacks.errors import CallbackNotFound
from desk.callbacks.model import Attempt, AttemptOutcome, Callback, subject_key
from desk.database.unit_of_work import Unit
from desk.ids import CallbackId, InquiryId
from desk.inquiries import repository as inquiries
from desk.inquiries.channel import InquiryChannel
from desk.inquiries.model import Inquiry, Kind, Status
from desk.messages.model import SmsState
from desk.numbers.identity_number import IdentityKind
from desk.numbers.phone_number import PhoneNumber
from desk.schema.scope import in_scope, is_department, one_of
from desk.schema.tables import attempts, callbacks
from desk.schema.tables import inquiries as inquiries_table

c = callbacks.c


async def show(unit: Unit, found: Sequence[Inquiry]) -> list[Callback]:
    """Read these inquiries as callbacks, in the same order, with their attempts: all in one query."""
    if not found:
        return []
    tried: dict[str, list[Attempt]] = {each.id: [] for each in found}
    own: dict[str, Any] = {}
    query = (
        select(callbacks, attempts.c.at, attempts.c.agent, attempts.c.outcome, attempts.c.counted, attempts.c.note)
        .join_from(callbacks, attempts, attempts.c.callback_id == c.id, isouter=True)
        .where(one_of(unit, c.id, list(tried)))
        .order_by(attempts.c.id)
    )
    for row in await unit.connection.execute(query):
        own[row.id] = row
        if row.outcome:
            tried[row.id].append(Attempt(row.at, row.agent, AttemptOutcome(row.outcome), row.counted, row.note))
    return [_read(each, own[each.id], tried[each.id]) for each in found]


def join(rows: FromClause) -> Select[Any]:
    """Select what only callbacks have, with their attempts, along with rows of inquiries. PostgreSQL only."""
    a = attempts.c
    made = func.json_build_array(a.at, a.agent, a.outcome, a.counted, a.note)
    tried = select(func.json_agg(aggregate_order_by(made, a.id))).where(a.callback_id == rows.c.id).scalar_subquery()
    own = [column for column in c if column is not c.id]
    return select(*own, cast(tried, Text).label("tried")).join_from(rows, callbacks, c.id == rows.c.id)


def read_joined(values: Mapping[str, Any], row: Any) -> Callback:
    """Read a row of `join` into an inquiry with these values."""
    tried = [
        Attempt(datetime.fromisoformat(at).astimezone(UTC), agent, AttemptOutcome(outcome), counted, note)
        for at, agent, outcome, counted, note in (json.loads(row.tried) if row.tried else ())
    ]
    return _callback(values, row, tried)


def adding(
    unit: Unit, callback: Callback, *, patient_number: bytes | None, another: bool = False
) -> tuple[Insert, Insert]:
    """The statements that add a callback. They raise Conflict if the same person has an open one in the department.

    `another`: for another person, unknown to us, on a phone that has an open callback.
    """
    unit.saw(callback.id, callback.department)
    key = subject_key(callback.patient_index, callback.phone)
    if another and callback.patient_index is None:
        key += callback.id.encode()
    own = {
        "id": callback.id,
        "phone": callback.phone.e164,
        "phone_mobile": callback.phone.mobile,
        "identity_doubtful": callback.identity_doubtful,
        "call_count": callback.call_count,
        "attempts_from": callback.attempts_from,
        "others_on_phone": callback.others_on_phone,
    }
    inquiry = inquiries.adding(callback, subject_key=key, patient_number=patient_number)
    return inquiry, insert(callbacks).values(**own)


async def open_on_phone(unit: Unit, department: str, phone: PhoneNumber) -> int:
    """Count the open callbacks to that number in the department."""
    query = (
        select(func.count())
        .select_from(inquiries_table.join(callbacks, c.id == inquiries.c.id))
        .where(is_department(unit, inquiries.c.department, department), inquiries.c.status != Status.CLOSED.value)
        .where(c.phone == phone.e164, c.phone != "")
    )
    return int((await unit.connection.execute(query)).scalar_one())


async def find_open(
    unit: Unit, department: str, indexes: Sequence[bytes] | None, phone: PhoneNumber
) -> Callback | None:
    """Find the open callback of the same person, or without a person of the same phone; lock it for this unit of work.

    The person is found by any of the `indexes`. If there is none, no one else can make one until this unit of work
    ends.
    """
    found = await inquiries.find_open(unit, Kind.CALLBACK, department, indexes or [subject_key(None, phone)])
    return await _shown(unit, found) if found else None


async def find_open_of_caller(
    unit: Unit, department: str, indexes: Sequence[bytes] | None, phone: PhoneNumber | None
) -> Callback | None:
    """Find the open callback of the same person, else of the same phone; lock it for this unit of work.

    By phone, a callback without a person comes first. A caller who has keyed an identity number never gets another
    person's callback. A caller who has not gets the callback of the only person with that phone; where there are
    several it could be anyone's, so the answer is None.
    """
    if indexes and (same := await inquiries.find_open(unit, Kind.CALLBACK, department, indexes)):
        return await _shown(unit, same)
    if phone is None:
        return None
    nameless = await find_open(unit, department, None, phone)
    if nameless or indexes:
        return nameless
    query = (
        select(*inquiries.shown)
        .join_from(inquiries_table, callbacks, c.id == inquiries.c.id)
        .where(is_department(unit, inquiries.c.department, department), inquiries.c.status != Status.CLOSED.value)
        .where(c.phone == phone.e164, c.phone != "")
        .with_for_update(of=inquiries_table)
    )
    found = await show(unit, [inquiries.read(unit, row) for row in await unit.connection.execute(query)])
    same_phone = [each for each in found if each.phone == phone]
    return same_phone[0] if len(same_phone) == 1 else None


async def of_phone(unit: Unit, phone: PhoneNumber, limit: int) -> list[Callback]:
    """Find callbacks to this number, or for which it was added: the open ones first, then the newest."""
    return await _newest(unit, or_(c.phone == phone.e164, c.added_phone == phone.e164), limit)


async def of_person(unit: Unit, indexes: Sequence[bytes], limit: int) -> list[Callback]:
    """Find the callbacks of the person with any of these indexes: the open ones first, then the newest."""
    return await _newest(unit, inquiries.c.patient_index.in_(indexes), limit)


async def of_same_person(unit: Unit, id: CallbackId, limit: int) -> list[Callback]:
    """Find the other callbacks of the person whom this one is for, by the identity number; none without one."""
    person = select(inquiries.c.patient_index).where(inquiries.c.id == id).scalar_subquery()
    return await _newest(unit, and_(inquiries.c.patient_index == person, inquiries.c.id != id), limit)


async def _newest(unit: Unit, condition: ColumnElement[bool], limit: int) -> list[Callback]:
    query = (
        select(*inquiries.shown)
        .join_from(inquiries_table, callbacks, c.id == inquiries.c.id)
        .where(condition, inquiries.kept, *in_scope(unit, inquiries.c.department))
        .order_by(inquiries.c.status == Status.CLOSED.value, inquiries.c.created_at.desc(), inquiries.c.id)
        .limit(limit)
    )
    return await show(unit, [inquiries.read(unit, row) for row in await unit.connection.execute(query)])


async def locked(unit: Unit, id: InquiryId) -> Callback:
    """Lock a callback until this unit of work ends. Raises CallbackNotFound, also outside the actor's scope."""
    found = await inquiries.locked(unit, Kind.CALLBACK, id)
    if found is None:
        raise CallbackNotFound
    return await _shown(unit, found)


async def get(unit: Unit, id: CallbackId) -> Callback:
    """Read a callback. Raises CallbackNotFound, also outside the actor's scope."""
    found = await inquiries.get(unit, Kind.CALLBACK, id)
    if found is None:
        raise CallbackNotFound
    return await _shown(unit, found)


async def sealed_patient(unit: Unit, id: CallbackId) -> tuple[bytes, IdentityKind] | None:
    """Read the sealed identity number and its kind; None if there is none, or the callback is outside the scope."""
    return await inquiries.sealed_patient(unit, Kind.CALLBACK, id)


async def change_own(unit: Unit, callback: Callback, **values: Any) -> Callback:
    """Change what only callbacks have; the inquiry is locked already."""
    row = (
        await unit.connection.execute(update(callbacks).where(c.id == callback.id).values(**values).returning(*c))
    ).one()
    return _read(callback, row, callback.attempts)


async def add_attempt(unit: Unit, callback: Callback, attempt: Attempt) -> Callback:
    """Add an attempt. Returns the callback with it."""
    await unit.connection.execute(
        insert(attempts).values(
            callback_id=callback.id,
            at=attempt.at,
            agent=attempt.agent,
            outcome=attempt.outcome.value,
            counted=attempt.counted,
            note=attempt.note,
        )
    )
    return replace(callback, attempts=(*callback.attempts, attempt))


async def _shown(unit: Unit, inquiry: Inquiry) -> Callback:
    return (await show(unit, [inquiry]))[0]


def _read(inquiry: Inquiry, row: Any, tried: Sequence[Attempt]) -> Callback:
    return _callback(vars(inquiry), row, tried)


def _callback(values: Mapping[str, Any], row: Any, tried: Sequence[Attempt]) -> Callback:
    own = {
        "phone": PhoneNumber(row.phone, row.phone_mobile),
        "added_phone": row.added_phone,
        "identity_doubtful": row.identity_doubtful,
        "attempts": tuple(tried),
        "attempts_from": row.attempts_from,
        "call_count": row.call_count,
        "sms": SmsState(row.sms) if row.sms else None,
        "has_recording": row.has_recording,
        "others_on_phone": row.others_on_phone,
    }
    return Callback(**{**values, **own})


CHANNEL = InquiryChannel(Kind.CALLBACK, show, join, read_joined, locked)
