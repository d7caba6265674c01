"""Claims in the database: the next inquiries in line, and those whose lease ran out.

The rule of a claim is written here once, as SQL expressions: who is in line (`in_line`), in which order (`ORDER`), what
a claim changes (`claimed`), which claim still holds (`held`) and which has run out (`lapsed`). Claims of one agent, and
of many agents in one statement, are both built from them.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, or_, select, tuple_, update
from sqlalchemy.sql import ColumnCollection, Select

from desk.database.unit_of_work import Unit
from desk.inquiries.model import LONGEST_LEASE, Inquiry, Kind, Status
from desk.inquiries.repository import RANK, c, read, shown
from desk.schema.scope import in_scope, is_department
from desk.schema.tables import inquiries

ORDER = (c.priority, c.promise_by, c.created_at, c.id)
"""First the urgent, then by promise, then by arrival; the index ix_inquiries_claim_order."""


def in_line(kind: Kind, now: Any) -> list[ColumnElement[bool]]:
    """Conditions for an inquiry of that kind to be in line."""
    return [c.status == Status.WAITING.value, c.kind == kind.value, or_(c.not_before.is_(None), c.not_before <= now)]


def lapsed(columns: ColumnCollection[str, Any], now: Any) -> list[ColumnElement[bool]]:
    """Conditions for a claim to have run out."""
    return [columns.status == Status.CLAIMED.value, columns.lease_until <= now]


def too_long(columns: ColumnCollection[str, Any], longest: Any) -> list[ColumnElement[bool]]:
    """Conditions for a claim to have a lease until after `longest`: from a clock that was ahead."""
    return [columns.status == Status.CLAIMED.value, columns.lease_until > longest]


def held(agent: Any, fence: Any) -> list[ColumnElement[bool]]:
    """Conditions for the agent to have the inquiry by the claim that gave `fence`, also after its lease."""
    return [c.status == Status.CLAIMED.value, c.claimed_by == agent, c.fence == fence]


def first_in_line(conditions: list[ColumnElement[bool]], limit: Any) -> Select[Any]:
    """Select and lock the first rows in line.

    On PostgreSQL rows that another unit of work changes are passed over. Rows that a new row refers to (a warning,
    say) are not, hence NO KEY UPDATE. On SQLite there is only one writer at a time.
    """
    query = select(*ORDER).where(*conditions).order_by(*ORDER).limit(limit)
    return query.with_for_update(skip_locked=True, key_share=True)


def still_waits() -> ColumnElement[bool]:
    """The condition that a selected row is still free when it is claimed: another agent may have taken it."""
    return c.status == Status.WAITING.value


def claimed(agent: Any, lease_until: Any) -> dict[str, Any]:
    """What a claim changes."""
    return {
        "status": Status.CLAIMED.value,
        "claimed_by": agent,
        "lease_until": lease_until,
        "fence": c.fence + 1,
        "version": c.version + 1,
    }


async def take_next(
    unit: Unit, kind: Kind, department: str, *, limit: int, lease_until: datetime, due_before: datetime | None = None
) -> list[Inquiry]:
    """Claim up to `limit` waiting inquiries for the actor, in claim order. The fence of each grows."""
    conditions = [is_department(unit, c.department, department), *in_line(kind, unit.now)]
    if due_before is not None:
        conditions.append(c.promise_by <= due_before)
    first = first_in_line(conditions, limit).cte("next_in_line")
    statement = (
        update(inquiries)
        .where(c.id.in_(select(first.c.id)), still_waits())
        .values(claimed(unit.actor.name, lease_until))
        .returning(*shown)
    )
    taken = [read(unit, row) for row in await unit.connection.execute(statement)]
    return sorted(taken, key=_place)


def live_claims(agent: Any, now: Any) -> Select[Any]:
    """Count the inquiries that the agent has, in every department, without those whose lease ran out."""
    held = inquiries.alias("held_now").c
    live = (held.claimed_by == agent, held.status == Status.CLAIMED.value, held.lease_until > now)
    return select(func.count(held.id)).where(*live)


async def count_live(unit: Unit) -> int:
    """Count what the actor has. Their other claims of a single agent wait until this unit of work ends."""
    name = unit.actor.name
    if unit.connection.dialect.name == "postgresql":
        await unit.connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"claims of {name}"))))
    return int((await unit.connection.execute(live_claims(name, unit.now))).scalar_one())


async def held_by(unit: Unit) -> dict[tuple[str, str], int]:
    """Count live claims by (department, agent), in the actor's scope."""
    query = select(c.department, c.claimed_by, func.count()).where(*in_scope(unit, c.department))
    query = query.where(c.status == Status.CLAIMED.value, c.lease_until > unit.now)
    found = await unit.connection.execute(query.group_by(c.department, c.claimed_by))
    return {(department, agent): count for department, agent, count in found}


async def ahead_of(unit: Unit, inquiry: Inquiry) -> int:
    """Count the inquiries of the same kind that are claimed before this waiting one."""
    place = tuple_(*(literal(value, column.type) for value, column in zip(_place(inquiry), ORDER, strict=True)))
    query = (
        select(func.count())
        .select_from(inquiries)
        .where(is_department(unit, c.department, inquiry.department), *in_line(inquiry.kind, unit.now))
        .where(tuple_(*ORDER) < place)
    )
    return int((await unit.connection.execute(query)).scalar_one())


async def expired(unit: Unit, department: str | None = None) -> list[Inquiry]:
    """Lock the claimed inquiries whose lease has run out: those of a department, or all in the scope.

    A lease longer than any is from a clock that was ahead, and has run out too.
    """
    over = or_(and_(*lapsed(c, unit.now)), and_(*too_long(c, unit.now + LONGEST_LEASE)))
    query = select(*shown).where(over, *in_scope(unit, c.department))
    if department is not None:
        query = query.where(c.department == department)
    found = await unit.connection.execute(query.order_by(c.id).with_for_update(skip_locked=True, key_share=True))
    return [read(unit, row) for row in found]


def _place(inquiry: Inquiry) -> tuple[Any, ...]:
    return RANK[inquiry.priority], inquiry.promise.by, inquiry.created_at, inquiry.id
