"""Handing out callbacks: the next in line, and those whose lease ran out."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, literal, or_, select, tuple_, update

from desk.access.permissions import Scope
from desk.callbacks import repository as rows
from desk.callbacks.model import Callback
from desk.callbacks.repository import RANK, Stored, shown
from desk.database.engine import Connection
from desk.inquiries.model import Status
from desk.schema.scope import in_department, within
from desk.schema.tables import callbacks

c = callbacks.c

ORDER = (c.priority, c.promise_by, c.created_at, c.id)
"""First the urgent, then by promise, then by arrival; the index ix_callbacks_claim_order."""


async def take_next(
    connection: Connection,
    department: str,
    agent: str,
    *,
    scope: Scope,
    limit: int,
    now: datetime,
    lease_until: datetime,
    due_before: datetime | None = None,
) -> list[Stored]:
    """Claim up to `limit` waiting callbacks for `agent`, in claim order; each one's fence grows.

    On PostgreSQL rows another unit of work changes are passed over, not those something new refers to (a warning, say:
    hence NO KEY UPDATE); on SQLite there is only one writer at a time.
    """
    waiting = (
        select(c.id)
        .where(in_department(c.department, department, scope), c.status == Status.WAITING.value)
        .where(or_(c.not_before.is_(None), c.not_before <= now))
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
            claimed_by=agent,
            lease_until=lease_until,
            fence=c.fence + 1,
            version=c.version + 1,
        )
        .returning(*shown)
    )
    taken = await rows.with_attempts(connection, (await connection.execute(statement)).all())
    return sorted(taken, key=lambda stored: _order(stored.callback))


async def ahead_of(connection: Connection, callback: Callback, now: datetime, *, scope: Scope) -> int:
    """How many are handed out before this waiting callback."""
    place = tuple_(*(literal(value, column.type) for value, column in zip(_order(callback), ORDER, strict=True)))
    query = (
        select(func.count())
        .select_from(callbacks)
        .where(in_department(c.department, callback.department, scope), c.status == Status.WAITING.value)
        .where(or_(c.not_before.is_(None), c.not_before <= now))
        .where(tuple_(*ORDER) < place)
    )
    return int((await connection.execute(query)).scalar_one())


async def expired(connection: Connection, now: datetime, *, scope: Scope) -> list[Stored]:
    """Claimed callbacks of these departments whose lease has run out, locked."""
    query = select(*shown).where(c.status == Status.CLAIMED.value, c.lease_until <= now)
    query = query.where(*within(connection, c.department, scope))
    found = await connection.execute(query.order_by(c.id).with_for_update(skip_locked=True, key_share=True))
    return await rows.with_attempts(connection, found.all())


def _order(callback: Callback) -> tuple[Any, ...]:
    return RANK[callback.priority], callback.promise.by, callback.created_at, callback.id
