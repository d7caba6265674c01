"""The audit in the database: one chain of rows, extended under one lock, and read in pages."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import uuid4

from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, literal, or_, select, text

from desk.database.unit_of_work import Unit
from desk.schema.audit_tables import audit, audit_callbacks, audit_patients
from desk.schema.scope import one_of

CHAIN: Final = 0x1AA121D9
"""PostgreSQL advisory lock: only its holder adds to the chain. SQLite has one writer anyway.

Not the number that writers of history share (desk/history/feed_repository.py), or each would wait for the other.
"""
NUMBER: Final = "audit_patients.number"
GENESIS: Final = bytes(32)
"""The hash before the first row."""
LAST: Final = 2**63 - 1
"""No row has a higher number."""


class AuditSubject(NamedTuple):
    """A callback that a row is about, with its department and its patient's index at that time."""

    callback_id: str
    department: str
    patient_index: bytes | None


@dataclass(frozen=True)
class AuditRow:
    """One row, with the callbacks it is about, ordered by id."""

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
    seen: tuple[AuditSubject, ...] = ()


@dataclass(frozen=True)
class OtherRows:
    """The emergency accesses and events of the history at some moment: the last number, and how many up to it."""

    history_last: int
    history_rows: int
    emergencies_last: int
    emergencies_rows: int
    emergencies: str

    def __str__(self) -> str:
        counts = (self.history_last, self.history_rows, self.emergencies_last, self.emergencies_rows)
        return ":".join([*map(str, counts), self.emergencies])

    @classmethod
    def parse(cls, text: str) -> "OtherRows":
        """Parse what `str` writes. Raises ValueError."""
        *counts, digest = text.split(":")
        history_last, history_rows, last, rows = map(int, counts)
        return cls(history_last, history_rows, last, rows, digest)

    def missing(self, now: "OtherRows") -> list[str]:
        """Say what is gone or changed, of what there was, in `now`, which is counted up to the same numbers."""
        found = []
        if now.history_rows < self.history_rows:
            found.append(f"{self.history_rows - now.history_rows} rows of the history: removed")
        if now.emergencies_rows < self.emergencies_rows:
            found.append(f"{self.emergencies_rows - now.emergencies_rows} emergency accesses: removed")
        elif now.emergencies_rows == self.emergencies_rows and now.emergencies != self.emergencies:
            found.append("an emergency access: changed")
        return found


COLUMNS: Final = tuple(field.name for field in fields(AuditRow) if field.name != "seen")
"""The columns of `audit`."""


@dataclass(frozen=True)
class AuditFilter:
    """Which rows: those that match everything that is set. `patients`: indexes of one person's identity number."""

    since: datetime | None = None
    until: datetime | None = None
    who: str | None = None
    action: str | None = None
    department: str | None = None
    callback: str | None = None
    outcome: str | None = None
    emergency: bool | None = None
    patients: Collection[bytes] | None = None


async def lock(unit: Unit) -> None:
    """Let no one else add to the chain until this unit of work has ended."""
    if unit.connection.dialect.name == "postgresql":
        await unit.connection.execute(text("select pg_advisory_xact_lock(:chain)"), {"chain": CHAIN})


async def newest(unit: Unit) -> tuple[int, bytes]:
    """Return the last row's number and hash; 0 and GENESIS if there has never been one."""
    query = select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)
    row = (await unit.connection.execute(query)).one_or_none()
    return (row.seq, bytes(row.hash)) if row else (0, GENESIS)


async def is_written(
    unit: Unit, at: datetime, action: str, request_id: str | None, patient_index: bytes | None
) -> bool:
    """Whether there is a row of this moment, action, request and patient."""
    c = audit.c
    same = [c.at == at, c.action == action, c.request_id.is_not_distinct_from(request_id)]
    query = select(c.seq).where(*same, c.patient_index.is_not_distinct_from(patient_index)).limit(1)
    return (await unit.connection.execute(query)).first() is not None


async def append(unit: Unit, rows: Sequence[AuditRow]) -> None:
    """Add these rows. The chain must be locked."""
    await unit.connection.execute(insert(audit), [{name: getattr(row, name) for name in COLUMNS} for row in rows])
    if seen := named_by(rows):
        await unit.connection.execute(insert(audit_callbacks), seen)


def named_by(rows: Sequence[AuditRow]) -> list[dict[str, Any]]:
    """The callbacks of these rows as rows of `audit_callbacks`."""
    return [
        {"seq": row.seq, "callback_id": each.callback_id, "department": each.department}
        | {"patient_index": each.patient_index}
        for row in rows
        for each in row.seen
    ]


def _seen(rows: Sequence[AuditRow]) -> list[dict[str, Any]]:
    """The callbacks of these rows as rows of their own table."""
    return [
        {"seq": row.seq, "callback_id": each.callback_id, "department": each.department}
        | {"patient_index": each.patient_index}
        for row in rows
        for each in row.seen
    ]


async def sealed_numbers(unit: Unit, indexes: Collection[bytes]) -> dict[bytes, tuple[str, bytes]]:
    """By index, the id and the sealed identity number; the number is bound to the id."""
    if not indexes:
        return {}
    c = audit_patients.c
    found = await unit.connection.execute(select(c.patient_index, c.id, c.number).where(c.patient_index.in_(indexes)))
    return {bytes(row.patient_index): (row.id, bytes(row.number)) for row in found}


def new_number_id() -> str:
    """Make an id for a sealed identity number."""
    return str(uuid4())


async def add_number(unit: Unit, id: str, index: bytes, number: bytes) -> None:
    """Store a sealed identity number."""
    await unit.connection.execute(insert(audit_patients).values(id=id, patient_index=index, number=number))


async def after(unit: Unit, seq: int, limit: int) -> list[AuditRow]:
    """Return the next rows above `seq`, in order."""
    query = select(audit).where(audit.c.seq > seq).order_by(audit.c.seq).limit(limit)
    return await _with_seen(unit, (await unit.connection.execute(query)).all())


async def strays(unit: Unit, above: int, up_to: int | None, limit: int) -> list[int]:
    """Return numbers of rows that do not exist and yet have callbacks, from above `above` up to `up_to`."""
    seq = audit_callbacks.c.seq
    query = select(seq).where(~select(1).where(audit.c.seq == seq).exists(), seq > above)
    if up_to is not None:
        query = query.where(seq <= up_to)
    return list((await unit.connection.execute(query.distinct().order_by(seq).limit(limit))).scalars())


async def repeats(unit: Unit, seqs: Sequence[int]) -> dict[int, int]:
    """By row, how many later reads of the list may have shown its callbacks again. Rows without any are omitted."""
    listed, later, beyond = audit.alias("listed"), audit.alias("later"), audit.alias("beyond")
    end = select(beyond.c.seq).where(beyond.c.at >= listed.c.named_until).order_by(beyond.c.at, beyond.c.seq).limit(1)
    last = literal(LAST, audit.c.seq.type)
    count = (
        select(func.count())
        .where(later.c.who == listed.c.who, later.c.seq > listed.c.seq)
        .where(later.c.seq < func.coalesce(end.correlate(listed).scalar_subquery(), last))
        .where(later.c.session == listed.c.session, later.c.action == listed.c.action, later.c.again.is_not(None))
        .where(later.c.at < listed.c.named_until)
    )
    query = select(listed.c.seq, count.correlate(listed).scalar_subquery().label("times"))
    found = await unit.connection.execute(
        query.where(one_of(unit, listed.c.seq, seqs), listed.c.named_until.is_not(None))
    )
    return {seq: times for seq, times in found if times}


async def pruned_through(unit: Unit) -> int:
    """Return the last row that a row of the audit says has expired; 0 if there is none."""
    query = select(func.max(audit.c.through)).where(audit.c.through.is_not(None))
    return (await unit.connection.execute(query)).scalar_one() or 0


async def page(unit: Unit, filters: AuditFilter, before: int | None, limit: int) -> list[AuditRow]:
    """Return matching rows of the actor's departments, newest first, below `before`.

    Each has its callbacks in those departments, of the patient only if the filter names one.
    """
    query = select(audit).where(*_conditions(unit, filters))
    if before is not None:
        query = query.where(audit.c.seq < before)
    found = (await unit.connection.execute(query.order_by(audit.c.seq.desc()).limit(limit))).all()
    shown = [_within(unit)]
    if filters.patients is not None:
        shown.append(audit_callbacks.c.patient_index.in_(filters.patients))
    return await _with_seen(unit, found, shown)


def _conditions(unit: Unit, filters: AuditFilter) -> Iterable[ColumnElement[bool]]:
    c = audit.c
    if filters.since is not None:
        yield c.at >= filters.since
    if filters.until is not None:
        yield c.at < filters.until
    for column, value in ((c.who, filters.who), (c.action, filters.action), (c.outcome, filters.outcome)):
        if value is not None:
            yield column == value
    if filters.emergency is not None:
        yield c.emergency == filters.emergency
    if filters.callback is not None:
        yield c.seq.in_(_seqs(audit_callbacks.c.callback_id == filters.callback, _within(unit)))
    if filters.department is not None:
        yield or_(c.department == filters.department, _about(audit_callbacks.c.department == filters.department))
    if filters.patients is not None:
        of_patient = audit_callbacks.c.patient_index.in_(filters.patients)
        named_in: ColumnElement[bool] = c.patient_index.in_(filters.patients)
        if unit.scope.departments is not None:
            named_in = and_(named_in, c.department.in_(unit.scope.departments))
        yield or_(named_in, c.seq.in_(_seqs(of_patient, _within(unit))))
    elif unit.scope.departments is not None:
        yield or_(c.department.in_(unit.scope.departments), _about(_within(unit)))


def _within(unit: Unit) -> ColumnElement[bool]:
    """The condition for a row's callback to have been in the actor's departments."""
    if unit.scope.departments is None:
        return audit_callbacks.c.seq.is_not(None)
    return audit_callbacks.c.department.in_(unit.scope.departments)


def _seqs(*conditions: ColumnElement[bool]) -> Any:
    return select(audit_callbacks.c.seq).where(*conditions)


def _about(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(1).where(audit_callbacks.c.seq == audit.c.seq, condition).exists()


async def _with_seen(
    unit: Unit, found: Sequence[Row[Any]], shown: Sequence[ColumnElement[bool]] = ()
) -> list[AuditRow]:
    """Read the rows with their callbacks, those that match all of `shown`."""
    if not found:
        return []
    numbers = [row.seq for row in found]
    query = select(audit_callbacks).where(*shown, audit_callbacks.c.seq.between(min(numbers), max(numbers)))
    if len(numbers) < max(numbers) - min(numbers) + 1:
        query = query.where(one_of(unit, audit_callbacks.c.seq, numbers))
    ordered = (audit_callbacks.c.seq, audit_callbacks.c.callback_id, audit_callbacks.c.department)
    seen: dict[int, list[AuditSubject]] = {}
    for each in await unit.connection.execute(query.order_by(*ordered)):
        seen.setdefault(each.seq, []).append(
            AuditSubject(each.callback_id, each.department, optional_bytes(each.patient_index))
        )
    return [_read(row, tuple(seen.get(row.seq, ()))) for row in found]


def _read(row: Row[Any], seen: tuple[AuditSubject, ...]) -> AuditRow:
    values = {name: getattr(row, name) for name in COLUMNS}
    for name in ("patient_index", "through_hash", "hash"):
        values[name] = optional_bytes(values[name])
    return AuditRow(**values, seen=seen)


def optional_bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)


async def last_before(unit: Unit, moment: datetime) -> tuple[int, bytes] | None:
    """Return number and hash of the last row before that moment; None if there is none."""
    first = select(audit.c.seq).where(audit.c.at >= moment).order_by(audit.c.at, audit.c.seq).limit(1)
    newer = (await unit.connection.execute(first)).scalar_one_or_none()
    query = select(audit.c.seq, audit.c.hash).where(audit.c.at < moment)
    if newer is not None:
        query = query.where(audit.c.seq < newer)
    row = (await unit.connection.execute(query.order_by(audit.c.seq.desc()).limit(1))).one_or_none()
    return (row.seq, bytes(row.hash)) if row else None


async def any_up_to(unit: Unit, seq: int) -> bool:
    """Whether there is a row with this number or a lower one."""
    query = select(audit.c.seq).where(audit.c.seq <= seq).limit(1)
    return (await unit.connection.execute(query)).one_or_none() is not None


async def may_remove(unit: Unit) -> bool:
    """Whether the database lets us delete expired rows: on PostgreSQL only the owner of the table may."""
    if unit.connection.dialect.name != "postgresql":
        return True
    query = "select pg_get_userbyid(relowner) = current_user from pg_class where oid = 'audit'::regclass"
    return bool((await unit.connection.execute(text(query))).scalar_one())


async def remove(unit: Unit, through: int, limit: int) -> int:
    """Delete some of the oldest rows, up to `through`, which a row of the audit says has expired. Return how many.

    It never leaves a single row: without the row before it, it looks like one that was inserted.
    """
    old = select(audit.c.seq).where(audit.c.seq <= through).order_by(audit.c.seq).limit(limit + 2)
    numbers = list((await unit.connection.execute(old)).scalars())
    if len(numbers) > limit + 1:
        numbers = numbers[:limit]
    if numbers:
        await unit.connection.execute(delete(audit_callbacks).where(audit_callbacks.c.seq <= numbers[-1]))
        await unit.connection.execute(delete(audit).where(audit.c.seq <= numbers[-1]))
    return len(numbers)


async def delete_unused_numbers(unit: Unit) -> int:
    """Delete the identity numbers that no row refers to any more. Return how many."""
    named_in = select(1).where(audit.c.patient_index == audit_patients.c.patient_index).exists()
    return (await unit.connection.execute(delete(audit_patients).where(~named_in))).rowcount


async def key_versions(unit: Unit) -> dict[int, int]:
    """Count the rows by the version of the index key they were chained with. Verification needs these versions."""
    found = await unit.connection.execute(select(audit.c.key_version, func.count()).group_by(audit.c.key_version))
    return {version: count for version, count in found}
