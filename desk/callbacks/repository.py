"""Callbacks, their attempts and promises in the database."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Select, func, insert, select, update

from desk.callbacks.errors import CallbackNotFound
from desk.callbacks.model import Attempt, AttemptOutcome, Callback
from desk.database.unit_of_work import Unit
from desk.departments.departments import Policy
from desk.ids import CallbackId
from desk.inquiries.model import ClosedReason, Priority, Status
from desk.messages.model import SmsState
from desk.numbers.identity_number import IdentityKind
from desk.numbers.phone_number import PhoneNumber
from desk.promises.model import Promise, PromiseReason
from desk.schema.scope import in_scope, is_department, one_of
from desk.schema.tables import attempts, callbacks, promises

c = callbacks.c

RANK = {Priority.URGENT: 0, Priority.NORMAL: 1}
PRIORITY = {rank: priority for priority, rank in RANK.items()}
PATIENT_NUMBER = "callbacks.patient_number"
"""What a sealed identity number is bound to, with its row."""

_unread = {"patient_number", "not_before", "closed_at", "forgotten_at", "legal_hold"}
shown = [column for column in c if column.name not in _unread]
"""The columns a `Callback` is read from: the sealed number stays in the table."""
kept = c.forgotten_at.is_(None)
"""Callbacks whose person's data are still there: what is left of the others is for counting only."""


def read(unit: Unit, row: Any, tried: Sequence[Attempt] = ()) -> Callback:
    """Make a callback of a row of the `shown` columns, and record that the unit's actor is shown it.

    There is no other way to make one, so no one is shown a callback without a trail.
    """
    unit.saw(row.id, row.department)
    return Callback(
        id=row.id,
        department=row.department,
        status=Status(row.status),
        priority=PRIORITY[row.priority],
        phone=PhoneNumber(row.phone, row.phone_mobile),
        patient_kind=IdentityKind(row.patient_kind) if row.patient_kind else None,
        patient_masked=row.patient_masked,
        patient_index=row.patient_index,
        promise=Promise(Policy(row.promise_policy), row.promise_from, row.promise_by),
        promise_spoken=row.promise_spoken,
        attempts=tuple(tried),
        attempts_from=row.attempts_from,
        call_count=row.call_count,
        language=row.language,
        created_at=row.created_at,
        claimed_by=row.claimed_by,
        lease_until=row.lease_until,
        fence=row.fence,
        version=row.version,
        closed_reason=ClosedReason(row.closed_reason) if row.closed_reason else None,
        note=row.note,
        sms=SmsState(row.sms) if row.sms else None,
        has_recording=row.has_recording,
    )


def promise_columns(promise: Promise, spoken: str) -> dict[str, Any]:
    """A promise as the columns of `callbacks` and `promises`."""
    return {
        "promise_policy": promise.policy.value,
        "promise_from": promise.from_,
        "promise_by": promise.by,
        "promise_spoken": spoken,
    }


async def add(unit: Unit, **values: Any) -> Callback:
    """Add a callback, waiting. Raises Conflict if the same person has an open one in the department."""
    values |= {"status": Status.WAITING.value, "fence": 0, "version": 1, "call_count": 1}
    row = (await unit.connection.execute(insert(callbacks).values(**values).returning(*shown))).one()
    return read(unit, row)


async def find_open(
    unit: Unit, department: str, indexes: Sequence[bytes] | None, phone: PhoneNumber
) -> Callback | None:
    """Find the open callback of the same person, or without a person of the same phone; lock it for this unit of work.

    The person is found by any of the `indexes`. If there is none, no one else can make one until this unit of work
    ends.
    """
    await _one_at_a_time(unit, department, indexes)
    return await _one(unit, _open_of(unit, department, indexes, phone))


async def find_open_of_caller(
    unit: Unit, department: str, indexes: Sequence[bytes] | None, phone: PhoneNumber | None
) -> Callback | None:
    """Find the open callback of the same person, else of the same phone; lock it for this unit of work.

    By phone, a callback without a person comes first. A caller who has keyed an identity number never gets another
    person's callback. A caller who has not gets the callback of the only person with that phone; where there are
    several it could be anyone's, so the answer is None.
    """
    await _one_at_a_time(unit, department, indexes)
    if indexes and (same := await _one(unit, _open_of(unit, department, indexes, phone))):
        return same
    if phone is None:
        return None
    nameless = await _one(unit, _open_of(unit, department, None, phone))
    if nameless or indexes:
        return nameless
    same_phone = [
        is_department(unit, c.department, department),
        c.status != Status.CLOSED.value,
        c.phone == phone.e164,
    ]
    found = await _with_attempts(unit, select(*shown).where(*same_phone).with_for_update())
    return found[0] if len(found) == 1 else None


async def locked(unit: Unit, id: CallbackId) -> Callback:
    """Lock a callback until this unit of work ends. Raises CallbackNotFound, also outside the actor's scope."""
    callback = await _one(unit, _that(unit, id))
    if callback is None:
        raise CallbackNotFound
    return callback


async def get(unit: Unit, id: CallbackId) -> Callback:
    """Read a callback. Raises CallbackNotFound, also outside the actor's scope."""
    found = await _with_attempts(unit, select(*shown).where(*_that(unit, id)))
    if not found:
        raise CallbackNotFound
    return found[0]


async def sealed_patient(unit: Unit, id: CallbackId) -> tuple[bytes, IdentityKind] | None:
    """Read the sealed identity number and its kind; None if there is none, or the callback is outside the scope."""
    query = select(c.patient_number, c.patient_kind).where(*_that(unit, id))
    row = (await unit.connection.execute(query)).one_or_none()
    return (row.patient_number, IdentityKind(row.patient_kind)) if row and row.patient_number else None


async def lengthen(unit: Unit, callback: Callback, lease_until: datetime) -> Callback:
    """Set a longer lease. The version stays: an agent who edits the note meanwhile gets no conflict."""
    statement = update(callbacks).where(c.id == callback.id).values(lease_until=lease_until).returning(*shown)
    return read(unit, (await unit.connection.execute(statement)).one(), callback.attempts)


async def change(unit: Unit, callback: Callback, **values: Any) -> Callback:
    """Change a locked callback; its version grows."""
    statement = update(callbacks).where(c.id == callback.id).values(**values, version=c.version + 1).returning(*shown)
    return read(unit, (await unit.connection.execute(statement)).one(), callback.attempts)


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


async def add_promise(
    unit: Unit,
    callback: Callback,
    promise: Promise,
    spoken: str,
    *,
    department: str,
    due: datetime,
    reason: PromiseReason,
) -> None:
    """Add a promise to those that are kept; the callback's own columns hold only the newest."""
    values = {"callback_id": callback.id, "at": unit.now, "department": department, "due": due, "reason": reason.value}
    await unit.connection.execute(insert(promises).values(**values, **promise_columns(promise, spoken)))


async def with_attempts(unit: Unit, rows: Sequence[Any]) -> list[Callback]:
    """Read rows of the `shown` columns and their attempts, all attempts in one query."""
    if not rows:
        return []
    tried: dict[str, list[Attempt]] = {row.id: [] for row in rows}
    of = one_of(unit.connection, attempts.c.callback_id, list(tried))
    for row in await unit.connection.execute(select(attempts).where(of).order_by(attempts.c.id)):
        attempt = Attempt(row.at, row.agent, AttemptOutcome(row.outcome), row.counted, row.note)
        tried[row.callback_id].append(attempt)
    return [read(unit, row, tried[row.id]) for row in rows]


def _that(unit: Unit, id: CallbackId) -> list[ColumnElement[bool]]:
    """That callback, if it is in the actor's scope and its person's data are still there."""
    return [c.id == id, kept, *in_scope(unit, c.department)]


def _open_of(
    unit: Unit, department: str, indexes: Sequence[bytes] | None, phone: PhoneNumber | None
) -> list[ColumnElement[bool]]:
    """The partial unique indexes, as conditions."""
    same = [is_department(unit, c.department, department), c.status != Status.CLOSED.value]
    if not indexes:
        return [*same, c.patient_index.is_(None), c.phone == (phone.e164 if phone else None)]
    if len(indexes) == 1:
        return [*same, c.patient_index == indexes[0]]
    return [*same, c.patient_index.is_not(None), one_of(unit.connection, c.patient_index, indexes)]


async def _one_at_a_time(unit: Unit, department: str, indexes: Sequence[bytes] | None) -> None:
    """While the index key is rotated: let only one unit of work at a time open a callback for a person there.

    The unique index can't tell that two indexes made with different keys are the same person's, and processes may
    differ in which key they write with. They have at least one key in common, so each takes a lock for every key it
    has, in the same order. SQLite has one writer at a time anyway.
    """
    if indexes is None or len(indexes) == 1 or unit.connection.dialect.name != "postgresql":
        return
    slug = department.encode()
    locks = sorted(int.from_bytes(sha256(slug + b"\0" + i).digest()[:8], "big", signed=True) for i in indexes)
    taken = (func.pg_advisory_xact_lock(lock).label(f"n{n}") for n, lock in enumerate(locks))
    await unit.connection.execute(select(*taken))


async def _one(unit: Unit, conditions: Sequence[ColumnElement[bool]]) -> Callback | None:
    found = await _with_attempts(unit, select(*shown).where(*conditions).with_for_update())
    return found[0] if found else None


async def _with_attempts(unit: Unit, query: Select[Any]) -> list[Callback]:
    return await with_attempts(unit, (await unit.connection.execute(query)).all())
