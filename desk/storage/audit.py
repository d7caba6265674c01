"""The audit in the database: one chain of rows, added to under one lock, and read in pages."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, or_, select, text

from desk.storage.audit_tables import audit, audit_callbacks, audit_patients
from desk.storage.database import Connection
from desk.storage.scoped import one_of
from desk.storage.tables import callbacks

CHAIN: Final = 0x1AA121D7
"""PostgreSQL advisory lock: who holds it is the only one to add to the chain. SQLite has one writer anyway."""
NUMBER: Final = "audit_patients.number"
GENESIS: Final = bytes(32)
"""What the first row is chained to."""


@dataclass(frozen=True)
class Seen:
    """A callback a row of the audit is about, its department and its patient's index as they were then."""

    callback_id: str
    department: str
    patient_index: bytes | None


@dataclass(frozen=True)
class AuditRow:
    """One row as it stands, with the callbacks it is about, by their id."""

    seq: int
    at: datetime
    who: str | None
    role: str | None
    action: str
    department: str | None
    patient_index: bytes | None
    why: str | None
    outcome: str
    status: int | None
    problem: str | None
    source: str
    request_id: str | None
    session: str | None
    emergency: bool
    through: int | None
    through_hash: bytes | None
    key_version: int
    hash: bytes
    seen: tuple[Seen, ...] = ()


_COLUMNS: Final = tuple(field.name for field in fields(AuditRow) if field.name != "seen")


@dataclass(frozen=True)
class AuditFilter:
    """Which rows: all that fulfil every wish. `departments`: the reader's; None is all there are."""

    departments: Collection[str] | None
    since: datetime | None = None
    until: datetime | None = None
    who: str | None = None
    action: str | None = None
    department: str | None = None
    callback: str | None = None
    outcome: str | None = None
    emergency: bool | None = None
    patients: Collection[bytes] | None = None


async def lock(connection: Connection) -> None:
    """Nobody else adds to the chain until this unit of work has ended."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("select pg_advisory_xact_lock(:chain)"), {"chain": CHAIN})


async def newest(connection: Connection) -> tuple[int, bytes]:
    """The last row's number and hash; 0 and GENESIS when there has never been one."""
    query = select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)
    row = (await connection.execute(query)).one_or_none()
    return (row.seq, bytes(row.hash)) if row else (0, GENESIS)


async def subjects(connection: Connection, ids: Collection[str]) -> dict[str, Seen]:
    """Those of these ids that are callbacks."""
    if not ids:
        return {}
    query = select(callbacks.c.id, callbacks.c.department, callbacks.c.patient_index)
    found = await connection.execute(query.where(one_of(connection, callbacks.c.id, sorted(ids))))
    return {row.id: Seen(row.id, row.department, _bytes(row.patient_index)) for row in found}


async def append(connection: Connection, rows: Sequence[AuditRow]) -> None:
    """Add these rows; the chain is locked."""
    await connection.execute(insert(audit), [{name: getattr(row, name) for name in _COLUMNS} for row in rows])
    seen = [
        {"seq": row.seq, "callback_id": each.callback_id, "department": each.department}
        | {"patient_index": each.patient_index}
        for row in rows
        for each in row.seen
    ]
    if seen:
        await connection.execute(insert(audit_callbacks), seen)


async def named(connection: Connection, indexes: Collection[bytes]) -> dict[bytes, tuple[str, bytes]]:
    """The sealed identity numbers behind these indexes, each with its row: what it is bound to."""
    if not indexes:
        return {}
    c = audit_patients.c
    found = await connection.execute(select(c.patient_index, c.id, c.number).where(c.patient_index.in_(indexes)))
    return {bytes(row.patient_index): (row.id, bytes(row.number)) for row in found}


def new_name() -> str:
    """The id of a row that is to hold a sealed identity number."""
    return str(uuid4())


async def name(connection: Connection, id: str, index: bytes, number: bytes) -> None:
    """Keep a sealed identity number."""
    await connection.execute(insert(audit_patients).values(id=id, patient_index=index, number=number))


async def after(connection: Connection, seq: int, limit: int) -> list[AuditRow]:
    """The next rows above `seq`, in order."""
    query = select(audit).where(audit.c.seq > seq).order_by(audit.c.seq).limit(limit)
    return await _with_seen(connection, (await connection.execute(query)).all())


async def strays(connection: Connection) -> list[int]:
    """Numbers of rows that aren't there, and yet are said to be about callbacks; no more than 100."""
    there = select(1).where(audit.c.seq == audit_callbacks.c.seq).exists()
    query = select(audit_callbacks.c.seq).where(~there).distinct().order_by(audit_callbacks.c.seq).limit(100)
    return list((await connection.execute(query)).scalars())


async def pruned_through(connection: Connection) -> int:
    """The last row that a row of the audit says to be too old; 0 when there is none."""
    query = select(func.max(audit.c.through)).where(audit.c.through.is_not(None))
    return (await connection.execute(query)).scalar_one() or 0


async def page(connection: Connection, wanted: AuditFilter, before: int | None, limit: int) -> list[AuditRow]:
    """The rows that are wanted, newest first, below `before`; of callbacks only those of the reader's departments."""
    query = select(audit).where(*_conditions(connection, wanted))
    if before is not None:
        query = query.where(audit.c.seq < before)
    found = (await connection.execute(query.order_by(audit.c.seq.desc()).limit(limit))).all()
    return await _with_seen(connection, found, wanted.departments)


def _conditions(connection: Connection, wanted: AuditFilter) -> Iterable[ColumnElement[bool]]:
    c = audit.c
    if wanted.since is not None:
        yield c.at >= wanted.since
    if wanted.until is not None:
        yield c.at < wanted.until
    for column, value in ((c.who, wanted.who), (c.action, wanted.action), (c.outcome, wanted.outcome)):
        if value is not None:
            yield column == value
    if wanted.emergency is not None:
        yield c.emergency == wanted.emergency
    if wanted.callback is not None:
        yield c.seq.in_(_seqs(audit_callbacks.c.callback_id == wanted.callback, _within(wanted.departments)))
    if wanted.department is not None:
        yield or_(c.department == wanted.department, _about(audit_callbacks.c.department == wanted.department))
    if wanted.patients is not None:
        of_patient = audit_callbacks.c.patient_index.in_(wanted.patients)
        named_in: ColumnElement[bool] = c.patient_index.in_(wanted.patients)
        if wanted.departments is not None:
            named_in = and_(named_in, c.department.in_(wanted.departments))
        yield or_(named_in, c.seq.in_(_seqs(of_patient, _within(wanted.departments))))
    elif wanted.departments is not None:
        yield or_(c.department.in_(wanted.departments), _about(_within(wanted.departments)))


def _within(departments: Collection[str] | None) -> ColumnElement[bool]:
    """Callbacks of these departments."""
    if departments is None:
        return audit_callbacks.c.seq.is_not(None)
    return audit_callbacks.c.department.in_(departments)


def _seqs(*conditions: ColumnElement[bool]) -> Any:
    return select(audit_callbacks.c.seq).where(*conditions)


def _about(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(1).where(audit_callbacks.c.seq == audit.c.seq, condition).exists()


async def _with_seen(
    connection: Connection, found: Sequence[Row[Any]], departments: Collection[str] | None = None
) -> list[AuditRow]:
    if not found:
        return []
    numbers = [row.seq for row in found]
    query = select(audit_callbacks).where(
        _within(departments), audit_callbacks.c.seq.between(min(numbers), max(numbers))
    )
    if len(numbers) < max(numbers) - min(numbers) + 1:
        query = query.where(one_of(connection, audit_callbacks.c.seq, numbers))
    seen: dict[int, list[Seen]] = {}
    for each in await connection.execute(query.order_by(audit_callbacks.c.seq, audit_callbacks.c.callback_id)):
        seen.setdefault(each.seq, []).append(Seen(each.callback_id, each.department, _bytes(each.patient_index)))
    return [_read(row, tuple(seen.get(row.seq, ()))) for row in found]


def _read(row: Row[Any], seen: tuple[Seen, ...]) -> AuditRow:
    values = {name: getattr(row, name) for name in _COLUMNS}
    for name in ("patient_index", "through_hash", "hash"):
        values[name] = _bytes(values[name])
    return AuditRow(**values, seen=seen)


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)


async def last_before(connection: Connection, moment: datetime) -> tuple[int, bytes] | None:
    """Number and hash of the row before the first one from then on; None when there is none."""
    first = select(audit.c.seq).where(audit.c.at >= moment).order_by(audit.c.at, audit.c.seq).limit(1)
    newer = (await connection.execute(first)).scalar_one_or_none()
    query = select(audit.c.seq, audit.c.hash).where(audit.c.at < moment)
    if newer is not None:
        query = query.where(audit.c.seq < newer)
    row = (await connection.execute(query.order_by(audit.c.seq.desc()).limit(1))).one_or_none()
    return (row.seq, bytes(row.hash)) if row else None


async def any_up_to(connection: Connection, seq: int) -> bool:
    """Whether there is a row up to that one."""
    query = select(audit.c.seq).where(audit.c.seq <= seq).limit(1)
    return (await connection.execute(query)).one_or_none() is not None


async def may_remove(connection: Connection) -> bool:
    """Whether the database lets us delete what is too old: on PostgreSQL only the owner of the table may."""
    if connection.dialect.name != "postgresql":
        return True
    query = "select pg_get_userbyid(relowner) = current_user from pg_class where oid = 'audit'::regclass"
    return bool((await connection.execute(text(query))).scalar_one())


async def remove(connection: Connection, through: int, limit: int) -> int:
    """Delete some of the oldest rows, up to `through`, which a row of the audit says to be too old. How many.

    One alone is never left over: a row without the one before it can't be told from one that was put in.
    """
    old = select(audit.c.seq).where(audit.c.seq <= through).order_by(audit.c.seq).limit(limit + 2)
    numbers = list((await connection.execute(old)).scalars())
    if len(numbers) > limit + 1:
        numbers = numbers[:limit]
    if numbers:
        await connection.execute(delete(audit_callbacks).where(audit_callbacks.c.seq <= numbers[-1]))
        await connection.execute(delete(audit).where(audit.c.seq <= numbers[-1]))
    return len(numbers)


async def forget_unnamed(connection: Connection) -> int:
    """Delete the identity numbers no row names any more. How many."""
    named_in = select(1).where(audit.c.patient_index == audit_patients.c.patient_index).exists()
    return (await connection.execute(delete(audit_patients).where(~named_in))).rowcount


async def key_versions(connection: Connection) -> dict[int, int]:
    """How many rows were chained with which version of the index key: verifying and extracting need those."""
    found = await connection.execute(select(audit.c.key_version, func.count()).group_by(audit.c.key_version))
    return {version: count for version, count in found}
