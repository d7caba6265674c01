"""Dials in the database: what agents have asked for, who does it, and how it ended."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, or_, select, update

from desk.access.permissions import Scope
from desk.database.engine import Connection
from desk.dials.model import Dial, DialReason, DialState
from desk.numbers.phone_number import PhoneNumber
from desk.schema.scope import of_callback, within
from desk.schema.tables import dials

c = dials.c

_active = c.state != DialState.ENDED.value


def read(row: Any) -> Dial:
    """A row of the table."""
    return Dial(
        id=row.id,
        callback_id=row.callback_id,
        department=row.department,
        agent=row.agent,
        agent_phone=row.agent_phone,
        phone=PhoneNumber(row.phone, row.phone_mobile),
        fence=row.fence,
        state=DialState(row.state),
        reason=DialReason(row.reason) if row.reason else None,
        requested_at=row.requested_at,
        taken_by=row.taken_by,
        bridged_at=row.bridged_at,
        ended_at=row.ended_at,
    )


async def add(connection: Connection, **values: Any) -> Dial:
    """A new dial, requested. `Conflict` when the callback or the agent has an active one."""
    statement = insert(dials).values(state=DialState.REQUESTED.value, **values).returning(*c)
    return read((await connection.execute(statement)).one())


async def active(connection: Connection, *, callback_id: str, agent: str, scope: Scope) -> list[Dial]:
    """Those in progress for the callback or by the agent."""
    query = select(dials).where(_active, or_(c.callback_id == callback_id, c.agent == agent))
    query = query.where(*within(connection, c.department, scope))
    return [read(row) for row in await connection.execute(query)]


async def latest(connection: Connection, callback_id: str, *, scope: Scope) -> Dial | None:
    """The callback's newest dial."""
    query = select(dials).where(*of_callback(connection, c.callback_id, callback_id, scope))
    row = (await connection.execute(query.order_by(c.requested_at.desc(), c.id).limit(1))).one_or_none()
    return read(row) if row else None


async def rung_since(connection: Connection, phone: str, since: datetime) -> int:
    """How many times that number was rung since then."""
    query = select(func.count()).select_from(dials).where(c.phone == phone, c.rung_at >= since)
    return int((await connection.execute(query)).scalar_one())


async def asked_since(connection: Connection, agent: str, since: datetime) -> int:
    """How many dials that agent has asked for since then."""
    query = select(func.count()).select_from(dials).where(c.agent == agent, c.requested_at >= since)
    return int((await connection.execute(query)).scalar_one())


async def take(connection: Connection, by: str, *, limit: int, now: datetime) -> list[Dial]:
    """Make up to `limit` requested dials `by`'s own, the oldest first. No two takers get the same one."""
    waiting = (
        select(c.id)
        .where(c.state == DialState.REQUESTED.value, c.taken_by.is_(None))
        .order_by(c.requested_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("waiting")
    )
    statement = (
        update(dials)
        .where(c.id.in_(select(waiting.c.id)), c.state == DialState.REQUESTED.value, c.taken_by.is_(None))
        .values(taken_by=by, seen_at=now)
        .returning(*c)
    )
    return [read(row) for row in await connection.execute(statement)]


async def inherit(connection: Connection, by: str, *, of: str, excluding: Collection[str], now: datetime) -> list[Dial]:
    """Make `by`'s own whatever any taker whose name begins with `of` has in progress, save those in `excluding`."""
    statement = (
        update(dials)
        .where(_active, c.taken_by.startswith(of, autoescape=True), c.id.not_in(list(excluding)))
        .values(taken_by=by, seen_at=now)
        .returning(*c)
    )
    return [read(row) for row in await connection.execute(statement)]


async def forgotten(connection: Connection, *, unseen_since: datetime, untaken_since: datetime) -> list[Dial]:
    """Those in progress whose taker has said nothing since then, or that nobody took since then; locked."""
    unseen = c.seen_at.is_not(None) & (c.seen_at < unseen_since)
    untaken = c.taken_by.is_(None) & (c.requested_at < untaken_since)
    query = select(dials).where(_active, or_(unseen, untaken)).with_for_update(skip_locked=True)
    return [read(row) for row in await connection.execute(query)]


async def seen(connection: Connection, by: str, now: datetime) -> list[str]:
    """Say that `by` lives, for all it has in progress."""
    statement = update(dials).where(_active, c.taken_by == by).values(seen_at=now).returning(c.id)
    return list((await connection.execute(statement)).scalars())


async def to_cancel(connection: Connection, by: str) -> list[str]:
    """Those of `by` that somebody wants ended."""
    query = select(c.id).where(_active, c.taken_by == by, c.cancel_at.is_not(None))
    return list((await connection.execute(query)).scalars())


async def cancel(connection: Connection, id: str, now: datetime) -> Dial | None:
    """Tell whoever does this dial to end it; None when it is over."""
    row = (
        await connection.execute(update(dials).where(c.id == id, _active).values(cancel_at=now).returning(*c))
    ).first()
    return read(row) if row else None


async def change(connection: Connection, id: str, *, by: str | None, **values: Any) -> Dial | None:
    """Change a dial in progress that is taken `by` that one (None: by nobody); None when it isn't."""
    statement = update(dials).where(c.id == id, _active, c.taken_by.is_not_distinct_from(by)).values(**values)
    row = (await connection.execute(statement.returning(*c))).one_or_none()
    return read(row) if row else None


async def requested(connection: Connection) -> Sequence[str]:
    """Ids that wait to be taken: a look that writes nothing."""
    query = select(c.id).where(c.state == DialState.REQUESTED.value, c.taken_by.is_(None)).limit(1)
    return list((await connection.execute(query)).scalars())
