"""Inquiries and their promises in the database."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Insert, func, insert, not_, or_, select, update

from desk.access.actor import Actor
from desk.database.together import write_together
from desk.database.unit_of_work import Unit
from desk.departments.departments import Policy
from desk.ids import InquiryId
from desk.inquiries.model import ClosedReason, Inquiry, Kind, Priority, Status
from desk.numbers.identity_number import IdentityKind
from desk.promises.model import Promise, PromiseReason
from desk.schema.scope import in_scope, is_department, one_of
from desk.schema.tables import inquiries, promises

c = inquiries.c

T = TypeVar("T", bound=Inquiry)

RANK = {Priority.URGENT: 0, Priority.NORMAL: 1}
PRIORITY = {rank: priority for priority, rank in RANK.items()}
PATIENT_NUMBER = "inquiries.patient_number"
"""What a sealed identity number is bound to, with its row."""
GIVEN_BACK = (ClosedReason.CANCELLED_BY_CALLER.value, ClosedReason.DUPLICATE.value)
"""Reasons that free the promised time for somebody else."""

_unread = {"subject_key", "patient_number", "not_before", "closed_at", "forgotten_at", "legal_hold"}
shown = [column for column in c if column.name not in _unread]
"""The columns an `Inquiry` is read from: the sealed number stays in the table."""
kept = c.forgotten_at.is_(None)
"""Inquiries whose person's data are still there: what is left of the others is for counting only."""


def read(unit: Unit, row: Any) -> Inquiry:
    """Make an inquiry of a row of the `shown` columns, and record that the unit's actor is shown it.

    There is no other way to make one of what is stored, so no one is shown an inquiry without a trail.
    """
    unit.saw(row.id, row.department)
    return Inquiry(**_values(row))


def read_into(unit: Unit, inquiry: T, row: Any) -> T:
    """Read a row of the `shown` columns into an inquiry whose channel's own values stay. Recorded as in `read`."""
    unit.saw(row.id, row.department)
    return replace(inquiry, **_values(row))


def values_for(actor: Actor, row: Any) -> Mapping[str, Any]:
    """The values of an inquiry from a row of the `shown` columns, and record that the actor is shown it."""
    actor.saw(row.id, row.department)
    return _values(row)


def promise_columns(promise: Promise, spoken: str) -> dict[str, Any]:
    """A promise as the columns of `inquiries` and `promises`."""
    return {
        "promise_policy": promise.policy.value,
        "promise_from": promise.from_,
        "promise_by": promise.by,
        "promise_spoken": spoken,
    }


def adding(inquiry: Inquiry, *, subject_key: bytes, patient_number: bytes | None) -> Insert:
    """The statement that adds an inquiry. It raises Conflict if one with this key is open in the department."""
    return insert(inquiries).values(
        id=inquiry.id,
        kind=inquiry.kind.value,
        department=inquiry.department,
        status=inquiry.status.value,
        priority=RANK[inquiry.priority],
        subject_key=subject_key,
        patient_kind=inquiry.patient_kind.value if inquiry.patient_kind else None,
        patient_masked=inquiry.patient_masked,
        patient_number=patient_number,
        patient_index=inquiry.patient_index,
        **promise_columns(inquiry.promise, inquiry.promise_spoken),
        language=inquiry.language,
        created_at=inquiry.created_at,
        fence=inquiry.fence,
        version=inquiry.version,
        note=inquiry.note,
        first_time=inquiry.first_time,
        suspected=inquiry.suspected,
    )


async def find_open(unit: Unit, kind: Kind, department: str, keys: Sequence[bytes]) -> Inquiry | None:
    """Find the open inquiry with one of these subject keys; lock it for this unit of work.

    If there is none, no one else can make one until this unit of work ends.
    """
    await _one_at_a_time(unit, department, keys)
    query = select(*shown).where(is_department(unit, c.department, department), c.kind == kind.value)
    query = query.where(c.status != Status.CLOSED.value)
    same = c.subject_key == keys[0] if len(keys) == 1 else one_of(unit, c.subject_key, keys)
    row = (await unit.connection.execute(query.where(same).with_for_update())).one_or_none()
    return read(unit, row) if row else None


async def locked(unit: Unit, kind: Kind, id: InquiryId) -> Inquiry | None:
    """Lock an inquiry until this unit of work ends. None if there is none, also outside the actor's scope."""
    row = (await unit.connection.execute(select(*shown).where(*_that(unit, kind, id)).with_for_update())).one_or_none()
    return read(unit, row) if row else None


async def get(unit: Unit, kind: Kind, id: InquiryId) -> Inquiry | None:
    """Read an inquiry. None if there is none, also outside the actor's scope."""
    row = (await unit.connection.execute(select(*shown).where(*_that(unit, kind, id)))).one_or_none()
    return read(unit, row) if row else None


async def sealed_patient(unit: Unit, kind: Kind, id: InquiryId) -> tuple[bytes, IdentityKind] | None:
    """Read the sealed identity number and its kind; None if there is none, or the inquiry is outside the scope."""
    query = select(c.patient_number, c.patient_kind).where(*_that(unit, kind, id))
    row = (await unit.connection.execute(query)).one_or_none()
    return (row.patient_number, IdentityKind(row.patient_kind)) if row and row.patient_number else None


async def lengthen(unit: Unit, inquiry: T, lease_until: datetime) -> T:
    """Set a longer lease. The version stays: an agent who edits the note meanwhile gets no conflict."""
    statement = update(inquiries).where(c.id == inquiry.id).values(lease_until=lease_until).returning(*shown)
    return read_into(unit, inquiry, (await unit.connection.execute(statement)).one())


async def change(unit: Unit, inquiry: T, noted: Insert, **values: Any) -> T:
    """Change a locked inquiry together with the history row `noted` about it; its version grows."""
    statement = update(inquiries).where(c.id == inquiry.id).values(**values, version=c.version + 1).returning(*shown)
    return read_into(unit, inquiry, (await write_together(unit.connection, noted, statement)).one())


def adding_promise(
    unit: Unit,
    inquiry: Inquiry,
    promise: Promise,
    spoken: str,
    *,
    department: str,
    due: datetime,
    reason: PromiseReason,
) -> Insert:
    """The statement that adds a promise to those that are kept; the inquiry's own columns hold only the newest."""
    values = {"inquiry_id": inquiry.id, "at": unit.now, "department": department, "due": due, "reason": reason.value}
    return insert(promises).values(**values, **promise_columns(promise, spoken))


async def promised(
    unit: Unit, department: str, *, excluding: InquiryId | None = None, suspected: bool = False
) -> Mapping[datetime, int]:
    """Count the promises for each moment ahead, without those given back and without the inquiry `excluding`.

    Those of a suspected flood count only for one that is part of it (`suspected`), and only while they are open.

    On PostgreSQL other units of work that count for this department wait until this one ends, so that two of them
    can't both promise the last place. SQLite has one writer at a time.
    """
    if unit.connection.dialect.name == "postgresql":
        await unit.connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"promised {department}"))))
    given_back = or_(*(c.closed_reason == reason for reason in GIVEN_BACK))
    query = (
        select(c.promise_by, func.count())
        .where(c.department == department, c.promise_by > unit.now)
        .where(or_(c.closed_reason.is_(None), not_(given_back)))
        .where(or_(~c.suspected, c.status != Status.CLOSED.value) if suspected else ~c.suspected)
        .group_by(c.promise_by)
    )
    if excluding is not None:
        query = query.where(c.id != excluding)
    return {by: count for by, count in await unit.connection.execute(query)}


def _values(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": Kind(row.kind),
        "department": row.department,
        "status": Status(row.status),
        "priority": PRIORITY[row.priority],
        "patient_kind": IdentityKind(row.patient_kind) if row.patient_kind else None,
        "patient_masked": row.patient_masked,
        "patient_index": row.patient_index,
        "promise": Promise(Policy(row.promise_policy), row.promise_from, row.promise_by),
        "promise_spoken": row.promise_spoken,
        "language": row.language,
        "created_at": row.created_at,
        "claimed_by": row.claimed_by,
        "lease_until": row.lease_until,
        "fence": row.fence,
        "version": row.version,
        "closed_reason": ClosedReason(row.closed_reason) if row.closed_reason else None,
        "note": row.note,
        "first_time": row.first_time,
        "suspected": row.suspected,
        "topic": row.topic,
    }


def _that(unit: Unit, kind: Kind, id: InquiryId) -> list[ColumnElement[bool]]:
    """That inquiry, if it is in the actor's scope and its person's data are still there."""
    return [c.id == id, c.kind == kind.value, kept, *in_scope(unit, c.department)]


async def _one_at_a_time(unit: Unit, department: str, keys: Sequence[bytes]) -> None:
    """While the index key is rotated: let only one unit of work at a time open an inquiry for a person there.

    The unique index can't tell that two subject keys made with different index keys are the same person's, and
    processes may differ in which key they write with. They have at least one key in common, so each takes a lock for
    every key it has, in the same order. SQLite has one writer at a time anyway.
    """
    if len(keys) == 1 or unit.connection.dialect.name != "postgresql":
        return
    slug = department.encode()
    locks = sorted(int.from_bytes(sha256(slug + b"\0" + key).digest()[:8], "big", signed=True) for key in keys)
    taken = (func.pg_advisory_xact_lock(lock).label(f"n{n}") for n, lock in enumerate(locks))
    await unit.connection.execute(select(*taken))
