"""Agents and their grants in the database. A revoked agent keeps its row, because the history names it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, exists, insert, select, true, update

from desk.access.agent import Agent
from desk.access.permissions import Grant, Role, Scope
from desk.accounts.errors import AgentNotFound
from desk.accounts.second_factor import repository as second_factors
from desk.database.inserting import insert_into
from desk.database.unit_of_work import Unit
from desk.schema.tables import agents, grants


@dataclass(frozen=True)
class AgentRow:
    """A working agent as stored. `grants`: (role, department); `opened`: departments opened by emergency access.

    `change_password_by`: until when a first password is valid; None once the agent has chosen one.
    `second_factor`: whether a log-in with a password needs a code too.
    """

    id: int
    name: str
    phone: str | None
    grants: frozenset[tuple[str, str]]
    disabled: bool = False
    opened: frozenset[str] = frozenset()
    change_password_by: datetime | None = None
    second_factor: bool = False


def agent_of(row: AgentRow) -> Agent:
    """The agent of a row."""
    held = frozenset(Grant(Role(role), department) for role, department in row.grants)
    return Agent(row.name, held, row.phone, opened=row.opened)


def agents_within(scope: Scope) -> ColumnElement[bool]:
    """The condition for an agent to have roles in these departments only.

    An agent without any role fulfils it only for the scope of all departments.
    """
    if scope.departments is None:
        return true()
    held = select(grants.c.role).where(grants.c.agent_id == agents.c.id).correlate(agents)
    return and_(exists(held), ~exists(held.where(grants.c.department.not_in(scope.departments))))


async def insert_agent(
    unit: Unit, *, name: str, phone: str | None, issuer: str | None = None, subject: str | None = None
) -> int:
    """Add an agent and return its id. Raises `Conflict` when a working agent has that name or that subject."""
    values = {"name": name, "phone": phone, "created_at": unit.now, "issuer": issuer, "subject": subject}
    return int((await unit.connection.execute(insert(agents).values(values).returning(agents.c.id))).scalar_one())


async def add_grants(unit: Unit, agent_id: int, held: Iterable[tuple[str, str]]) -> None:
    """Add roles in departments; those the agent has already stay as they are."""
    values = [{"agent_id": agent_id, "role": role, "department": department} for role, department in held]
    if values:
        await unit.connection.execute(insert_into(unit.connection, grants).values(values).on_conflict_do_nothing())


async def remove_grant(unit: Unit, agent_id: int, role: str, department: str) -> bool:
    """Remove a role in a department; False if the agent doesn't have it."""
    grant = (grants.c.agent_id == agent_id, grants.c.role == role, grants.c.department == department)
    return bool((await unit.connection.execute(delete(grants).where(*grant))).rowcount)


async def replace_grants(unit: Unit, agent_id: int, held: Iterable[tuple[str, str]]) -> None:
    """Give the agent these grants and no others."""
    await unit.connection.execute(delete(grants).where(grants.c.agent_id == agent_id))
    await add_grants(unit, agent_id, held)


async def find(unit: Unit, name: str) -> AgentRow | None:
    """The working agent of that name."""
    return next(iter(await _working(unit, agents.c.name == name)), None)


async def get(unit: Unit, name: str) -> AgentRow:
    """The working agent of that name. Raises AgentNotFound."""
    row = await find(unit, name)
    if row is None:
        raise AgentNotFound
    return row


async def get_within(unit: Unit, name: str, scope: Scope, *, or_own: str) -> AgentRow:
    """The working agent of that name, with roles in these departments only, or named `or_own`.

    Raises AgentNotFound.
    """
    if name != or_own:
        await require_within(unit, name, scope)
    return await get(unit, name)


async def require_within(unit: Unit, name: str, scope: Scope) -> None:
    """Raises AgentNotFound unless a working agent of that name has roles in these departments only."""
    query = select(agents.c.id).where(agents.c.name == name, agents.c.revoked_at.is_(None), agents_within(scope))
    if (await unit.connection.execute(query)).first() is None:
        raise AgentNotFound


async def find_subject(unit: Unit, issuer: str, subject: str) -> AgentRow | None:
    """The working agent that this identity provider names `subject`."""
    return next(iter(await _working(unit, agents.c.issuer == issuer, agents.c.subject == subject)), None)


async def is_from_provider(unit: Unit, agent_id: int) -> bool:
    """Whether an identity provider decides who the agent is and which roles it has."""
    query = select(agents.c.issuer).where(agents.c.id == agent_id)
    return (await unit.connection.execute(query)).scalar_one() is not None


async def lock(unit: Unit, agent_id: int) -> None:
    """Keep others from logging in as the agent, or changing how it logs in, until the unit of work ends."""
    await unit.connection.execute(select(agents.c.id).where(agents.c.id == agent_id).with_for_update(key_share=True))


async def all_working(unit: Unit) -> list[AgentRow]:
    """Agents that are not revoked, by name."""
    return await _working(unit)


async def revoke(unit: Unit, agent_id: int) -> None:
    """Delete the agent's password and second factor, and keep only its name for the history."""
    await second_factors.remove(unit, agent_id)
    revoked = update(agents).where(agents.c.id == agent_id).values(revoked_at=unit.now, password=None)
    await unit.connection.execute(revoked)


async def set_disabled(unit: Unit, agent_id: int, at: datetime | None) -> None:
    """Close the account as of then; with None, open it again."""
    await unit.connection.execute(update(agents).where(agents.c.id == agent_id).values(disabled_at=at))


async def password_hash(unit: Unit, agent_id: int) -> str | None:
    """The hash of the agent's password; None if there is no such agent, or it can't log in with a password."""
    query = select(agents.c.password).where(agents.c.id == agent_id)
    stored: str | None = (await unit.connection.execute(query)).scalar_one_or_none()
    return stored


async def set_password(
    unit: Unit, agent_id: int, hash: str, *, change_by: datetime | None, instead_of: str | None = None
) -> bool:
    """Store the hash of a password. With `instead_of`, only in place of that hash; False if there is another.

    `change_by`: until when a first password is valid.
    """
    statement = update(agents).where(agents.c.id == agent_id)
    if instead_of is not None:
        statement = statement.where(agents.c.password == instead_of)
    values = {"password": hash, "change_password_by": change_by}
    return bool((await unit.connection.execute(statement.values(values))).rowcount)


async def _working(unit: Unit, *conditions: ColumnElement[bool]) -> list[AgentRow]:
    query = (
        select(
            agents.c.id,
            agents.c.name,
            agents.c.phone,
            agents.c.disabled_at,
            agents.c.change_password_by,
            grants.c.role,
            grants.c.department,
            second_factors.has_one(),
        )
        .select_from(agents.outerjoin(grants, grants.c.agent_id == agents.c.id))
        .where(agents.c.revoked_at.is_(None), *conditions)
        .order_by(agents.c.name)
    )
    found: dict[int, AgentRow] = {}
    for row in await unit.connection.execute(query):
        held = {(row.role, row.department)} if row.role else set()
        before = found[row.id].grants if row.id in found else frozenset()
        found[row.id] = AgentRow(
            id=row.id,
            name=row.name,
            phone=row.phone,
            grants=before | held,
            disabled=row.disabled_at is not None,
            change_password_by=row.change_password_by,
            second_factor=row.second_factor,
        )
    return list(found.values())
