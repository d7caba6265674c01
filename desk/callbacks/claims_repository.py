"""Claims in the database: the next callbacks in line, and those whose lease ran out."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, literal, or_, select, tuple_, update

from desk.callbacks import repository as rows
from desk.callbacks.model import Callback
from desk.callbacks.repository import RANK, shown
from desk.database.unit_of_work import Unit
from desk.inquiries.model import Status
from desk.schema.scope import in_scope, is_department
from desk.schema.tables import callbacks

c = callbacks.c

ORDER = (c.priority, c.promise_by, c.created_at, c.id)
"""First the urgent, then by promise, then by arrival; the index ix_callbacks_claim_order."""


async def take_next(
    unit: Unit, department: str, *, limit: int, lease_until: datetime, due_before: datetime | None = None
) -> list[Callback]:
    """Claim up to `limit` waiting callbacks for the actor, in claim order. The fence of each grows.

    On PostgreSQL rows that another unit of work changes are passed over. Rows that a new row refers to (a warning,
    say) are not, hence NO KEY UPDATE. On SQLite there is only one writer at a time.
    """
    waiting = (
        select(c.id)
        .where(is_department(unit, c.department, department), c.status == Status.WAITING.value)
        .where(or_(c.not_before.is_(None), c.not_before <= unit.now))
        .order_by(*ORDER)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
    )
    if due_before is not None:
        waiting = waiting.where(c.promise_by <= due_before)
    next_in_line = waiting.cte("next_in_line")
    statement = (
        update(callbacks)
        .where(c.id.in_(select(next_in_line.c.id)), c.status == Status.WAITING.value)
        .values(
            status=Status.CLAIMED.value,
            claimed_by=unit.actor.name,
            lease_until=lease_until,
            fence=c.fence + 1,
            version=c.version + 1,
        )
        .returning(*shown)
    )
    taken = await rows.with_attempts(unit, (await unit.connection.execute(statement)).all())
    return sorted(taken, key=_place)


async def ahead_of(unit: Unit, callback: Callback) -> int:
    """Count the callbacks that are claimed before this waiting one."""
    place = tuple_(*(literal(value, column.type) for value, column in zip(_place(callback), ORDER, strict=True)))
    query = (
        select(func.count())
        .select_from(callbacks)
        .where(is_department(unit, c.department, callback.department), c.status == Status.WAITING.value)
        .where(or_(c.not_before.is_(None), c.not_before <= unit.now))
        .where(tuple_(*ORDER) < place)
    )
    return int((await unit.connection.execute(query)).scalar_one())


async def expired(unit: Unit, department: str | None = None) -> list[Callback]:
    """Lock the claimed callbacks whose lease has run out: those of a department, or all in the scope."""
    query = select(*shown).where(c.status == Status.CLAIMED.value, c.lease_until <= unit.now)
    query = query.where(*in_scope(unit, c.department))
    if department is not None:
        query = query.where(c.department == department)
    found = await unit.connection.execute(query.order_by(c.id).with_for_update(skip_locked=True, key_share=True))
    return await rows.with_attempts(unit, found.all())


def _place(callback: Callback) -> tuple[Any, ...]:
    return RANK[callback.priority], callback.promise.by, callback.created_at, callback.id
