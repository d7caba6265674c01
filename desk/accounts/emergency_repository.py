"""Emergency access in the database. Rows are kept for good: who looked where they otherwise may not, and why."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, insert, or_, select, true, update

from desk.access.permissions import Scope
from desk.database.engine import Connection
from desk.schema.scope import within
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


def opened(now: datetime) -> ColumnElement[Any]:
    """A column for queries that join agents: the departments open to the agent now, commas between; None for none."""
    return (
        select(func.aggregate_strings(c.department, ","))
        .where(c.agent_id == agents.c.id, c.until > now, c.ended_at.is_(None))
        .correlate(agents)
        .scalar_subquery()
        .label("opened")
    )


def departments(opened: str | None) -> frozenset[str]:
    """That column's value, read."""
    return frozenset(opened.split(",")) if opened else frozenset()


async def add(
    connection: Connection, agent_id: int, *, department: str, reason: str, at: datetime, until: datetime
) -> int:
    """A new one; its id."""
    values = {"agent_id": agent_id, "department": department, "reason": reason, "at": at, "until": until}
    return int((await connection.execute(insert(emergency_access).values(values).returning(c.id))).scalar_one())


async def live(connection: Connection, agent_id: int, department: str, now: datetime) -> bool:
    """Whether the department is open to the agent now."""
    query = select(c.id).where(c.agent_id == agent_id, c.department == department, c.until > now, c.ended_at.is_(None))
    return (await connection.execute(query.limit(1))).first() is not None


async def one_at_a_time(connection: Connection, agent_id: int) -> None:
    """Nobody else opens one for that agent until this unit of work ends: whoever ends one has ended all there is."""
    await connection.execute(select(agents.c.id).where(agents.c.id == agent_id).with_for_update())


async def locked(connection: Connection, id: int, *, scope: Scope, or_of: str) -> EmergencyRow | None:
    """That one, kept from others until this unit of work ends: in these departments, or of that agent."""
    query = _rows().where(c.id == id, _seen_by(connection, scope, or_of)).with_for_update(of=emergency_access)
    row = (await connection.execute(query)).one_or_none()
    return _read(row) if row else None


async def end(connection: Connection, id: int, at: datetime, by: str) -> None:
    """Over before its time."""
    await connection.execute(update(emergency_access).where(c.id == id).values(ended_at=at, ended_by=by))


async def page(
    connection: Connection, *, scope: Scope, or_of: str, department: str | None, before: int | None, limit: int
) -> list[EmergencyRow]:
    """Those in these departments or of that agent, newest first, below `before`; of one department only, if named."""
    query = _rows().where(_seen_by(connection, scope, or_of))
    if department is not None:
        query = query.where(c.department == department)
    if before is not None:
        query = query.where(c.id < before)
    return [_read(row) for row in await connection.execute(query.order_by(c.id.desc()).limit(limit))]


def _seen_by(connection: Connection, scope: Scope, agent: str) -> ColumnElement[bool]:
    mine = and_(agents.c.name == agent, agents.c.revoked_at.is_(None))  # a name may be given to somebody else
    return or_(mine, and_(true(), *within(connection, c.department, scope)))


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
