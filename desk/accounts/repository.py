"""Agents and their grants in the database. A revoked agent keeps its row: history names it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, exists, insert, select, true, update
from sqlalchemy.dialects import postgresql, sqlite

from desk.access.permissions import Scope
from desk.accounts.second_factor import repository as second_factors
from desk.database.engine import Connection
from desk.schema.tables import agents, grants


@dataclass(frozen=True)
class AgentRow:
    """One working agent as stored. `grants`: role and department of each; `opened`: by emergency access, when asked.

    `change_password_by`: until when its password opens, and only to be changed; None for one it chose itself.
    `second_factor`: whether a log-in with its password must show one.
    """

    id: int
    name: str
    phone: str | None
    grants: frozenset[tuple[str, str]]
    disabled: bool = False
    opened: frozenset[str] = frozenset()
    change_password_by: datetime | None = None
    second_factor: bool = False


def agents_within(scope: Scope) -> ColumnElement[bool]:
    """Agents whose every role is held in these departments; without any role, an agent is within all of them alone."""
    if scope.departments is None:
        return true()
    mine = select(grants.c.role).where(grants.c.agent_id == agents.c.id).correlate(agents)
    return and_(exists(mine), ~exists(mine.where(grants.c.department.not_in(scope.departments))))


async def insert_agent(
    connection: Connection,
    *,
    name: str,
    phone: str | None,
    created_at: datetime,
    issuer: str | None = None,
    subject: str | None = None,
) -> int:
    """The new agent's id. Raises `Conflict` when a working agent has that name, or is that subject of the issuer."""
    values = {"name": name, "phone": phone, "created_at": created_at, "issuer": issuer, "subject": subject}
    return int((await connection.execute(insert(agents).values(values).returning(agents.c.id))).scalar_one())


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


async def replace_grants(connection: Connection, agent_id: int, held: Iterable[tuple[str, str]]) -> None:
    """These and no others."""
    await connection.execute(delete(grants).where(grants.c.agent_id == agent_id))
    await add_grants(connection, agent_id, held)


async def by_name(connection: Connection, name: str) -> AgentRow | None:
    """The working agent of that name."""
    return next(iter(await _working(connection, agents.c.name == name)), None)


async def by_subject(connection: Connection, issuer: str, subject: str) -> AgentRow | None:
    """The working agent whom that provider knows as `subject`."""
    return next(iter(await _working(connection, agents.c.issuer == issuer, agents.c.subject == subject)), None)


async def is_within(connection: Connection, name: str, scope: Scope) -> bool:
    """Whether there is a working agent of that name within these departments."""
    query = select(agents.c.id).where(agents.c.name == name, agents.c.revoked_at.is_(None), agents_within(scope))
    return (await connection.execute(query)).first() is not None


async def is_providers(connection: Connection, agent_id: int) -> bool:
    """Whether a provider of single sign-on says who the agent is and what roles it has."""
    query = select(agents.c.issuer).where(agents.c.id == agent_id)
    return (await connection.execute(query)).scalar_one() is not None


async def lock(connection: Connection, agent_id: int) -> None:
    """Nobody else changes how the agent logs in, nor logs in as it, until the end of the unit of work."""
    await connection.execute(select(agents.c.id).where(agents.c.id == agent_id).with_for_update(key_share=True))


async def all_working(connection: Connection) -> list[AgentRow]:
    """Agents that are not revoked, by name."""
    return await _working(connection)


async def revoke(connection: Connection, agent_id: int, now: datetime) -> None:
    """Nothing of it is left but its name in the history; its password and second factor go too."""
    await second_factors.remove(connection, agent_id)
    await connection.execute(update(agents).where(agents.c.id == agent_id).values(revoked_at=now, password=None))


async def set_disabled(connection: Connection, agent_id: int, at: datetime | None) -> None:
    """Kept out since then; None: let in."""
    await connection.execute(update(agents).where(agents.c.id == agent_id).values(disabled_at=at))


async def password_of(connection: Connection, agent_id: int) -> str | None:
    """Its password as it is kept; None: it has none, and can't log in with one, or there is no such agent."""
    query = select(agents.c.password).where(agents.c.id == agent_id)
    kept: str | None = (await connection.execute(query)).scalar_one_or_none()
    return kept


async def set_password(
    connection: Connection, agent_id: int, kept: str, *, change_by: datetime | None, instead_of: str | None = None
) -> bool:
    """Whether it was set: with `instead_of` only while that one is still there. `change_by`: of a first password."""
    statement = update(agents).where(agents.c.id == agent_id)
    if instead_of is not None:
        statement = statement.where(agents.c.password == instead_of)
    return bool((await connection.execute(statement.values(password=kept, change_password_by=change_by))).rowcount)


async def _working(connection: Connection, *conditions: ColumnElement[bool]) -> list[AgentRow]:
    query = (
        select(
            *(agents.c.id, agents.c.name, agents.c.phone, agents.c.disabled_at, agents.c.change_password_by),
            *(grants.c.role, grants.c.department, second_factors.has_one()),
        )
        .select_from(agents.outerjoin(grants, grants.c.agent_id == agents.c.id))
        .where(agents.c.revoked_at.is_(None), *conditions)
        .order_by(agents.c.name)
    )
    found: dict[int, AgentRow] = {}
    for row in await connection.execute(query):
        held = {(row.role, row.department)} if row.role else set()
        before = found[row.id].grants if row.id in found else frozenset()
        kept_out, by = row.disabled_at is not None, row.change_password_by
        found[row.id] = AgentRow(
            *(row.id, row.name, row.phone, before | held, kept_out),
            change_password_by=by,
            second_factor=row.second_factor,
        )
    return list(found.values())
