"""Agents and their grants in the database. A revoked agent keeps its row: history names it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from desk.storage.database import Connection
from desk.storage.tables import agents, grants


@dataclass(frozen=True)
class AgentRow:
    """One working agent as stored. `grants`: role and department of each."""

    id: int
    name: str
    phone: str | None
    grants: frozenset[tuple[str, str]]


async def insert_agent(connection: Connection, *, name: str, phone: str | None, created_at: datetime) -> int:
    """The new agent's id. Raises `Conflict` (at the end of the unit of work) when a working agent has that name."""
    made = await connection.execute(
        insert(agents).values(name=name, phone=phone, created_at=created_at).returning(agents.c.id)
    )
    return int(made.scalar_one())


async def add_grants(connection: Connection, agent_id: int, held: Iterable[tuple[str, str]]) -> None:
    """Roles in departments; those the agent has already stay as they are."""
    values = [{"agent_id": agent_id, "role": role, "department": department} for role, department in held]
    made = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    if values:
        await connection.execute(made(grants).values(values).on_conflict_do_nothing())


async def remove_grant(connection: Connection, agent_id: int, role: str, department: str) -> bool:
    """Whether the agent had it."""
    mine = (grants.c.agent_id == agent_id, grants.c.role == role, grants.c.department == department)
    return bool((await connection.execute(delete(grants).where(*mine))).rowcount)


async def by_name(connection: Connection, name: str) -> AgentRow | None:
    """The working agent of that name."""
    return next(iter(await _working(connection, agents.c.name == name)), None)


async def all_working(connection: Connection) -> list[AgentRow]:
    """Agents that are not revoked, by name."""
    return await _working(connection)


async def revoke(connection: Connection, name: str, now: datetime) -> bool:
    """Whether there was a working agent of that name to revoke."""
    result = await connection.execute(
        update(agents).where(agents.c.name == name, agents.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    return bool(result.rowcount)


async def _working(connection: Connection, *conditions: ColumnElement[bool]) -> list[AgentRow]:
    query = (
        select(agents.c.id, agents.c.name, agents.c.phone, grants.c.role, grants.c.department)
        .select_from(agents.outerjoin(grants, grants.c.agent_id == agents.c.id))
        .where(agents.c.revoked_at.is_(None), *conditions)
        .order_by(agents.c.name)
    )
    found: dict[int, AgentRow] = {}
    for row in await connection.execute(query):
        held = {(row.role, row.department)} if row.role else set()
        before = found[row.id].grants if row.id in found else frozenset()
        found[row.id] = AgentRow(row.id, row.name, row.phone, before | held)
    return list(found.values())
