"""Emergency access in the database. Rows are never deleted: they say who opened which department, and why."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, insert, or_, select, true, update

from desk.database.unit_of_work import Unit
from desk.schema.scope import in_scope
from desk.schema.tables import agents, emergency_access

c = emergency_access.c


@dataclass(frozen=True)
class EmergencyRow:
    """One emergency access as stored; `agent` by name."""

    id: int
    agent_id: int
    agent: str
    department: str
    reason: str
    at: datetime
    until: datetime
    ended_at: datetime | None
    ended_by: str | None


def opened(now: Any) -> ColumnElement[Any]:
    """A column for queries that join agents: the departments now open to the agent, comma separated, or null."""
    return (
        select(func.aggregate_strings(c.department, ","))
        .where(c.agent_id == agents.c.id, c.until > now, c.ended_at.is_(None))
        .correlate(agents)
        .scalar_subquery()
        .label("opened")
    )


def departments(opened: str | None) -> frozenset[str]:
    """The departments in that column's value."""
    return frozenset(opened.split(",")) if opened else frozenset()


async def add(unit: Unit, agent_id: int, *, department: str, reason: str, until: datetime) -> int:
    """Add an emergency access from now on and return its id."""
    values = {"agent_id": agent_id, "department": department, "reason": reason, "at": unit.now, "until": until}
    return int((await unit.connection.execute(insert(emergency_access).values(values).returning(c.id))).scalar_one())


async def is_open(unit: Unit, agent_id: int, department: str) -> bool:
    """Whether the department is open to the agent now."""
    open_now = (c.until > unit.now, c.ended_at.is_(None))
    query = select(c.id).where(c.agent_id == agent_id, c.department == department, *open_now)
    return (await unit.connection.execute(query.limit(1))).first() is not None


async def lock_agent(unit: Unit, agent_id: int) -> None:
    """Keep others from opening one for that agent until this unit of work ends, so that there is never a second."""
    await unit.connection.execute(select(agents.c.id).where(agents.c.id == agent_id).with_for_update())


async def locked(unit: Unit, id: int) -> EmergencyRow | None:
    """Lock an emergency access in the actor's scope, or the actor's own, until this unit of work ends."""
    query = _rows().where(c.id == id, _is_visible(unit)).with_for_update(of=emergency_access)
    row = (await unit.connection.execute(query)).one_or_none()
    return _read(row) if row else None


async def end(unit: Unit, id: int, by: str) -> None:
    """End it now."""
    await unit.connection.execute(update(emergency_access).where(c.id == id).values(ended_at=unit.now, ended_by=by))


async def page(unit: Unit, *, department: str | None, before: int | None, limit: int) -> list[EmergencyRow]:
    """Return those in the actor's scope and the actor's own, newest first, with ids below `before`."""
    query = _rows().where(_is_visible(unit))
    if department is not None:
        query = query.where(c.department == department)
    if before is not None:
        query = query.where(c.id < before)
    return [_read(row) for row in await unit.connection.execute(query.order_by(c.id.desc()).limit(limit))]


def _is_visible(unit: Unit) -> ColumnElement[bool]:
    # The name of a revoked agent may be used again.
    own = and_(agents.c.name == unit.actor.name, agents.c.revoked_at.is_(None))
    return or_(own, and_(true(), *in_scope(unit, c.department)))


def _rows() -> Any:
    return select(emergency_access, agents.c.name.label("agent")).join_from(
        emergency_access, agents, agents.c.id == c.agent_id
    )


def _read(row: Any) -> EmergencyRow:
    return EmergencyRow(
        id=row.id,
        agent_id=row.agent_id,
        agent=row.agent,
        department=row.department,
        reason=row.reason,
        at=row.at,
        until=row.until,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
    )
