"""The audit in the database: one chain of rows, added to under one lock, and read in pages."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, literal, or_, select, text

from desk.database.engine import Connection
from desk.schema.audit_tables import audit, audit_callbacks, audit_patients
from desk.schema.scope import one_of
from desk.schema.tables import inquiries

CHAIN: Final = 0x1AA121D7
"""PostgreSQL advisory lock: who holds it is the only one to add to the chain. SQLite has one writer anyway."""
NUMBER: Final = "audit_patients.number"
GENESIS: Final = bytes(32)
"""What the first row is chained to."""
LAST: Final = 2**63 - 1
"""Above the number of any row."""
MOST_NAMED: Final = 1000
"""Of one look so many callbacks at most are remembered; a look at more of them names some again, which does no harm."""


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
    again: int | None = None
    named_until: datetime | None = None
    seen: tuple[Seen, ...] = ()


@dataclass(frozen=True)
class Look:
    """A kind of list, and who looks at it: the person, by one session or token."""

    who: str
    session: str
    action: str


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
    query = select(inquiries.c.id, inquiries.c.department, inquiries.c.patient_index)
    found = await connection.execute(query.where(one_of(connection, inquiries.c.id, sorted(ids))))
    return {row.id: Seen(row.id, row.department, _bytes(row.patient_index)) for row in found}


async def named_lately(
    connection: Connection, looks: Collection[Look], since: datetime, now: datetime
) -> dict[Look, set[Seen]]:
    """What rows of these looks, from then on, name and need not name again yet, the newest first."""
    c = audit.c
    query = (
        select(c.who, c.session, c.action, audit_callbacks)
        .join(audit_callbacks, audit_callbacks.c.seq == c.seq)
        .where(
            c.named_until > now,
            c.at >= since,
            one_of(connection, c.session, sorted({look.session for look in looks})),
            one_of(connection, c.action, sorted({look.action for look in looks})),
        )
    )
    named: dict[Look, set[Seen]] = {}
    for row in await connection.execute(query.order_by(c.named_until.desc()).limit(MOST_NAMED * len(looks))):
        seen = Seen(row.callback_id, row.department, _bytes(row.patient_index))
        named.setdefault(Look(row.who, row.session, row.action), set()).add(seen)
    return named


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


async def strays(connection: Connection, above: int, up_to: int | None, limit: int) -> list[int]:
    """Numbers of rows that aren't there, and yet are said to be about callbacks: above the one, up to the other."""
    seq = audit_callbacks.c.seq
    query = select(seq).where(~select(1).where(audit.c.seq == seq).exists(), seq > above)
    if up_to is not None:
        query = query.where(seq <= up_to)
    return list((await connection.execute(query.distinct().order_by(seq).limit(limit))).scalars())


async def repeats(connection: Connection, seqs: Sequence[int]) -> dict[int, int]:
    """How many later looks may have shown again what these rows name, without naming it. Most rows: none, left out."""
    told, later, beyond = audit.alias("told"), audit.alias("later"), audit.alias("beyond")
    end = select(beyond.c.seq).where(beyond.c.at >= told.c.named_until).order_by(beyond.c.at, beyond.c.seq).limit(1)
    last = literal(LAST, audit.c.seq.type)
    count = (
        select(func.count())
        .where(later.c.who == told.c.who, later.c.seq > told.c.seq)
        .where(later.c.seq < func.coalesce(end.correlate(told).scalar_subquery(), last))
        .where(later.c.session == told.c.session, later.c.action == told.c.action, later.c.again.is_not(None))
        .where(later.c.at < told.c.named_until)
    )
    query = select(told.c.seq, count.correlate(told).scalar_subquery().label("times"))
    found = await connection.execute(query.where(one_of(connection, told.c.seq, seqs), told.c.named_until.is_not(None)))
    return {seq: times for seq, times in found if times}


async def pruned_through(connection: Connection) -> int:
    """The last row that a row of the audit says to be too old; 0 when there is none."""
    query = select(func.max(audit.c.through)).where(audit.c.through.is_not(None))
    return (await connection.execute(query)).scalar_one() or 0


async def page(connection: Connection, wanted: AuditFilter, before: int | None, limit: int) -> list[AuditRow]:
    """The rows that are wanted, newest first, below `before`.

    Of callbacks only those of the reader's departments, and of the patient where one is asked for.
    """
    query = select(audit).where(*_conditions(connection, wanted))
    if before is not None:
        query = query.where(audit.c.seq < before)
    found = (await connection.execute(query.order_by(audit.c.seq.desc()).limit(limit))).all()
    told = [_within(wanted.departments)]
    if wanted.patients is not None:
        told.append(audit_callbacks.c.patient_index.in_(wanted.patients))
    return await _with_seen(connection, found, told)


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
    connection: Connection, found: Sequence[Row[Any]], told: Sequence[ColumnElement[bool]] = ()
) -> list[AuditRow]:
    """The rows with their callbacks, those that fulfil all of `told`."""
    if not found:
        return []
    numbers = [row.seq for row in found]
    query = select(audit_callbacks).where(*told, audit_callbacks.c.seq.between(min(numbers), max(numbers)))
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
