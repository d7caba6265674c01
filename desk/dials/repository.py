"""Dials in the database: what agents have asked for, which controller makes the calls, and how it ended."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import insert, or_, select, update

from desk.database.notify import DIALS, announce
from desk.database.unit_of_work import Unit
from desk.dials.model import Dial, DialReason, DialState, WaitingDial
from desk.ids import CallbackId
from desk.numbers.phone_number import PhoneNumber
from desk.schema.scope import about, in_scope
from desk.schema.tables import dials

c = dials.c

_active = c.state != DialState.ENDED.value
_waiting = (c.state == DialState.REQUESTED.value) & c.taken_by.is_(None)


def read(unit: Unit, row: Any) -> Dial:
    """Make a dial of a row, and record that the unit's actor is shown its callback."""
    unit.saw(row.callback_id, row.department)
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


async def add(unit: Unit, **values: Any) -> Dial:
    """Add a requested dial. Raises Conflict if the callback or the agent has an active one."""
    statement = insert(dials).values(state=DialState.REQUESTED.value, **values).returning(*c)
    return read(unit, (await unit.connection.execute(statement)).one())


async def active(unit: Unit, *, callback_id: CallbackId, agent: str) -> list[Dial]:
    """The dials in progress for the callback or by the agent."""
    query = select(dials).where(_active, or_(c.callback_id == callback_id, c.agent == agent))
    query = query.where(*in_scope(unit, c.department))
    return [read(unit, row) for row in await unit.connection.execute(query)]


async def latest(unit: Unit, callback_id: CallbackId) -> Dial | None:
    """The callback's newest dial."""
    query = select(dials).where(*about(unit, c.callback_id, callback_id))
    row = (await unit.connection.execute(query.order_by(c.requested_at.desc(), c.id).limit(1))).one_or_none()
    return read(unit, row) if row else None


async def take(unit: Unit, by: str, *, limit: int, only: Collection[str] | None) -> list[Dial]:
    """Give up to `limit` requested dials to the controller `by`, oldest first. No two controllers get the same one.

    `only`: the ids of those it may get; None for any.
    """
    wanted = () if only is None else (c.id.in_(only),)
    waiting = (
        select(c.id)
        .where(_waiting, *wanted)
        .order_by(c.requested_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("waiting")
    )
    statement = (
        update(dials)
        .where(c.id.in_(select(waiting.c.id)), _waiting)
        .values(taken_by=by, seen_at=unit.now)
        .returning(*c)
    )
    return [read(unit, row) for row in await unit.connection.execute(statement)]


async def inherit(unit: Unit, by: str, *, of: str, excluding: Collection[str]) -> list[Dial]:
    """Give `by` the dials in progress of any controller whose name begins with `of`, except those in `excluding`."""
    statement = (
        update(dials)
        .where(_active, c.taken_by.startswith(of, autoescape=True), c.id.not_in(list(excluding)))
        .values(taken_by=by, seen_at=unit.now)
        .returning(*c)
    )
    return [read(unit, row) for row in await unit.connection.execute(statement)]


async def forgotten(
    unit: Unit, *, unseen_since: datetime, unseen_talk_since: datetime, untaken_since: datetime
) -> list[Dial]:
    """Lock the dials in progress whose controller has been silent, or that no controller has taken, since then.

    `unseen_talk_since` is for connected calls, which go on without their controller.
    """
    talk = c.state == DialState.BRIDGED.value
    unseen = or_(~talk & (c.seen_at < unseen_since), talk & (c.seen_at < unseen_talk_since))
    untaken = c.taken_by.is_(None) & (c.requested_at < untaken_since)
    query = select(dials).where(_active, or_(unseen, untaken)).with_for_update(skip_locked=True)
    return [read(unit, row) for row in await unit.connection.execute(query)]


async def seen(unit: Unit, by: str) -> list[str]:
    """Record that `by` is alive. Returns the ids of its dials in progress."""
    statement = update(dials).where(_active, c.taken_by == by).values(seen_at=unit.now).returning(c.id)
    return list((await unit.connection.execute(statement)).scalars())


async def to_cancel(unit: Unit, by: str) -> list[str]:
    """The ids of the dials of `by` that an agent has cancelled."""
    query = select(c.id).where(_active, c.taken_by == by, c.cancel_at.is_not(None))
    return list((await unit.connection.execute(query)).scalars())


async def cancel(unit: Unit, id: str) -> Dial | None:
    """Ask the controller that has this dial to end it. Returns None if it is over."""
    announce(unit.connection.info, DIALS)  # nothing happened yet, so the history has no row
    row = (
        await unit.connection.execute(update(dials).where(c.id == id, _active).values(cancel_at=unit.now).returning(*c))
    ).first()
    return read(unit, row) if row else None


async def change(unit: Unit, id: str, *, by: str | None, **values: Any) -> Dial | None:
    """Change a dial in progress that `by` has (None: no controller). Returns None if it has another, or is over."""
    statement = update(dials).where(c.id == id, _active, c.taken_by.is_not_distinct_from(by)).values(**values)
    row = (await unit.connection.execute(statement.returning(*c))).one_or_none()
    return read(unit, row) if row else None


async def waiting(unit: Unit, *, limit: int) -> list[WaitingDial]:
    """Return the dials that wait for a controller, oldest first. Writes nothing."""
    query = select(c.id, c.agent_phone).where(_waiting).order_by(c.requested_at).limit(limit)
    return [WaitingDial(row.id, row.agent_phone) for row in await unit.connection.execute(query)]
