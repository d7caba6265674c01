"""Callbacks, their attempts and promises in the database."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, insert, select, update

from desk.access.permissions import Scope
from desk.callbacks.errors import CallbackNotFound
from desk.callbacks.model import Attempt, AttemptOutcome, Callback
from desk.database.engine import Connection
from desk.departments.departments import Policy
from desk.inquiries.model import ClosedReason, Priority, Status
from desk.messages.model import SmsState
from desk.numbers.identity_number import IdentityKind
from desk.numbers.phone_number import PhoneNumber
from desk.promises.model import Promise, PromiseReason
from desk.schema.scope import in_department, one_of, within
from desk.schema.tables import attempts, callbacks, promises

c = callbacks.c

RANK = {Priority.URGENT: 0, Priority.NORMAL: 1}
PRIORITY = {rank: priority for priority, rank in RANK.items()}
PATIENT_NUMBER = "callbacks.patient_number"
"""What a sealed identity number is bound to, with its row."""

_unread = {"patient_number", "not_before", "closed_at", "forgotten_at", "legal_hold"}
shown = [column for column in c if column.name not in _unread]
"""The columns a `Stored` is read from: the sealed number stays in the table."""
kept = c.forgotten_at.is_(None)
"""Callbacks whose person's data are still there: what is left of the others is for counting only."""


@dataclass(frozen=True)
class Stored:
    """A callback and what only the desk needs to know of it. Attempts before `attempts_from` no longer count."""

    callback: Callback
    patient_index: bytes | None
    attempts_from: datetime

    @property
    def counted(self) -> list[datetime]:
        """When the attempts were that count, oldest first."""
        return [each.at for each in self.callback.attempts if each.counted and each.at >= self.attempts_from]


def read(row: Any, tried: Sequence[Attempt] = ()) -> Stored:
    """A row of the `shown` columns."""
    callback = Callback(
        id=row.id,
        department=row.department,
        status=Status(row.status),
        priority=PRIORITY[row.priority],
        phone=PhoneNumber(row.phone, row.phone_mobile),
        patient_kind=IdentityKind(row.patient_kind) if row.patient_kind else None,
        patient_masked=row.patient_masked,
        promise=Promise(Policy(row.promise_policy), row.promise_from, row.promise_by),
        promise_spoken=row.promise_spoken,
        attempts=tuple(tried),
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
    return Stored(callback, row.patient_index, row.attempts_from)


def promise_columns(promise: Promise, spoken: str) -> dict[str, Any]:
    """A promise as the columns of `callbacks` and `promises`."""
    return {
        "promise_policy": promise.policy.value,
        "promise_from": promise.from_,
        "promise_by": promise.by,
        "promise_spoken": spoken,
    }


async def add(connection: Connection, **values: Any) -> Stored:
    """A new callback, waiting. `Conflict` if the same person has an open one in the department."""
    values |= {"status": Status.WAITING.value, "fence": 0, "version": 1, "call_count": 1}
    row = (await connection.execute(insert(callbacks).values(**values).returning(*shown))).one()
    return read(row)


async def find_open(
    connection: Connection, department: str, indexes: Sequence[bytes] | None, phone: PhoneNumber, *, scope: Scope
) -> Stored | None:
    """The open callback of the same person, or without a person of the same phone; locked for this unit of work.

    The person is found by any of the `indexes`. None found, nobody else makes one until this unit of work ends.
    """
    await _one_at_a_time(connection, department, indexes)
    return await _one(connection, _open_of(connection, department, indexes, phone, scope))


async def find_open_of_caller(
    connection: Connection,
    department: str,
    indexes: Sequence[bytes] | None,
    phone: PhoneNumber | None,
    *,
    scope: Scope,
) -> Stored | None:
    """The open callback of the same person, else of the same phone; locked for this unit of work.

    By phone, one without a person comes first. Another person's is never someone's who has told who they are; told
    nothing, the caller may be the one person we have under that phone, but of several it could be any: None.
    """
    await _one_at_a_time(connection, department, indexes)
    if indexes and (same := await _one(connection, _open_of(connection, department, indexes, phone, scope))):
        return same
    if phone is None:
        return None
    nameless = await _one(connection, _open_of(connection, department, None, phone, scope))
    if nameless or indexes:
        return nameless
    same_phone = [
        in_department(c.department, department, scope),
        c.status != Status.CLOSED.value,
        c.phone == phone.e164,
    ]
    found = await _with_attempts(connection, select(*shown).where(*same_phone).with_for_update())
    return found[0] if len(found) == 1 else None


async def locked(connection: Connection, id: str, *, scope: Scope) -> Stored:
    """That callback, kept from others until this unit of work ends. Outside the scope too: `CallbackNotFound`."""
    stored = await _one(connection, _that(connection, id, scope))
    if stored is None:
        raise CallbackNotFound
    scope.touch(stored.callback.department)
    return stored


async def get(connection: Connection, id: str, *, scope: Scope) -> Callback:
    """That callback, as it stands. Outside the scope too: `CallbackNotFound`."""
    found = await _with_attempts(connection, select(*shown).where(*_that(connection, id, scope)))
    if not found:
        raise CallbackNotFound
    scope.touch(found[0].callback.department)
    return found[0].callback


async def sealed_patient(connection: Connection, id: str, *, scope: Scope) -> tuple[bytes, IdentityKind] | None:
    """The sealed identity number and its kind; None when the callback has none, or is outside the scope."""
    query = select(c.patient_number, c.patient_kind).where(*_that(connection, id, scope))
    row = (await connection.execute(query)).one_or_none()
    return (row.patient_number, IdentityKind(row.patient_kind)) if row and row.patient_number else None


async def lengthen(connection: Connection, stored: Stored, lease_until: datetime) -> Stored:
    """A longer lease. The version stays: who edits the note meanwhile is not told of a conflict."""
    statement = update(callbacks).where(c.id == stored.callback.id).values(lease_until=lease_until).returning(*shown)
    return read((await connection.execute(statement)).one(), stored.callback.attempts)


async def change(connection: Connection, stored: Stored, **values: Any) -> Stored:
    """Change a locked callback; its version grows."""
    statement = (
        update(callbacks).where(c.id == stored.callback.id).values(**values, version=c.version + 1).returning(*shown)
    )
    return read((await connection.execute(statement)).one(), stored.callback.attempts)


async def add_attempt(connection: Connection, stored: Stored, attempt: Attempt) -> Stored:
    """One more attempt; `stored` with it."""
    await connection.execute(
        insert(attempts).values(
            callback_id=stored.callback.id,
            at=attempt.at,
            agent=attempt.agent,
            outcome=attempt.outcome.value,
            counted=attempt.counted,
            note=attempt.note,
        )
    )
    return replace(stored, callback=replace(stored.callback, attempts=(*stored.callback.attempts, attempt)))


async def add_promise(
    connection: Connection,
    id: str,
    at: datetime,
    promise: Promise,
    spoken: str,
    *,
    department: str,
    due: datetime,
    reason: PromiseReason,
) -> None:
    """Keep a promise for good: the callback's own columns hold only the newest."""
    values = {"callback_id": id, "at": at, "department": department, "due": due, "reason": reason.value}
    await connection.execute(insert(promises).values(**values, **promise_columns(promise, spoken)))


async def with_attempts(connection: Connection, rows: Sequence[Any]) -> list[Stored]:
    """Rows of the `shown` columns with their attempts, which take one query together."""
    if not rows:
        return []
    tried: dict[str, list[Attempt]] = {row.id: [] for row in rows}
    query = select(attempts).where(one_of(connection, attempts.c.callback_id, list(tried))).order_by(attempts.c.id)
    for row in await connection.execute(query):
        attempt = Attempt(row.at, row.agent, AttemptOutcome(row.outcome), row.counted, row.note)
        tried[row.callback_id].append(attempt)
    return [read(row, tried[row.id]) for row in rows]


def _that(connection: Connection, id: str, scope: Scope) -> list[ColumnElement[bool]]:
    """That callback, if the scope has it and its person's data are still there."""
    return [c.id == uuid(id), kept, *within(connection, c.department, scope)]


def _open_of(
    connection: Connection, department: str, indexes: Sequence[bytes] | None, phone: PhoneNumber | None, scope: Scope
) -> list[ColumnElement[bool]]:
    """The partial unique indexes, as conditions."""
    same = [in_department(c.department, department, scope), c.status != Status.CLOSED.value]
    if not indexes:
        return [*same, c.patient_index.is_(None), c.phone == (phone.e164 if phone else None)]
    if len(indexes) == 1:
        return [*same, c.patient_index == indexes[0]]
    return [*same, c.patient_index.is_not(None), one_of(connection, c.patient_index, indexes)]


async def _one_at_a_time(connection: Connection, department: str, indexes: Sequence[bytes] | None) -> None:
    """While the index key is changed: who makes an open callback for a person there waits for whoever else does.

    The unique index can't tell that two indexes of different keys are one person's, and processes may differ in which
    key they write with. They have at least one in common, so each takes a lock for all it has, in the same order.
    SQLite has one writer at a time anyway.
    """
    if indexes is None or len(indexes) == 1 or connection.dialect.name != "postgresql":
        return
    slug = department.encode()
    locks = sorted(int.from_bytes(sha256(slug + b"\0" + i).digest()[:8], "big", signed=True) for i in indexes)
    await connection.execute(select(*(func.pg_advisory_xact_lock(lock).label(f"n{n}") for n, lock in enumerate(locks))))


async def _one(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> Stored | None:
    found = await _with_attempts(connection, select(*shown).where(*conditions).with_for_update())
    return found[0] if found else None


async def _with_attempts(connection: Connection, query: Select[Any]) -> list[Stored]:
    return await with_attempts(connection, (await connection.execute(query)).all())


def uuid(id: str) -> str:
    """As the database spells it. Raises `CallbackNotFound` for what can't be a callback's id."""
    try:
        return str(UUID(id))
    except ValueError:
        raise CallbackNotFound from None
