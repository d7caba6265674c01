"""Sessions in the database, by the SHA-256 of the browser's secret. A session that has ended leaves no row."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, insert, not_, or_, select, update

from desk.access.permissions import Scope
from desk.accounts import emergency_repository as emergency
from desk.accounts.repository import AgentRow, agents_within
from desk.accounts.second_factor import repository as second_factors
from desk.accounts.sessions.limits import SessionCutoff
from desk.accounts.sessions.model import LoginSource, ProviderLogin
from desk.database.unit_of_work import Unit
from desk.schema.scope import one_of
from desk.schema.tables import agents, grants, sessions

s = sessions.c


@dataclass(frozen=True)
class SessionRow:
    """A session as stored, with its agent and the agent's grants."""

    id: int
    agent: AgentRow
    source: LoginSource
    created_at: datetime
    seen_at: datetime
    login: ProviderLogin | None


@dataclass(frozen=True)
class SessionListRow:
    """A row of the list of sessions: it holds no secret and no address."""

    id: int
    agent: str
    source: str
    created_at: datetime
    seen_at: datetime


async def insert_session(
    unit: Unit, agent_id: int, *, hash: bytes, source: LoginSource, login: ProviderLogin | None
) -> int:
    """Add a session and return its id."""
    values: dict[str, Any] = {"agent_id": agent_id, "hash": hash, "source": source.value}
    values |= {"created_at": unit.now, "seen_at": unit.now}
    if login is not None:
        values |= {"issuer": login.issuer, "subject": login.subject, "sid": login.sid, "check_by": login.check_by}
    return int((await unit.connection.execute(insert(sessions).values(values).returning(s.id))).scalar_one())


async def by_hashes(unit: Unit, hashes: Collection[bytes], cutoff: SessionCutoff) -> dict[bytes, SessionRow]:
    """The active ones of these sessions, each with its agent, in one query."""
    query = (
        select(
            sessions,
            agents.c.name,
            agents.c.phone,
            agents.c.change_password_by,
            grants.c.role,
            grants.c.department,
            emergency.opened(unit.now),
            second_factors.has_one(),
        )
        .select_from(
            sessions.join(agents, agents.c.id == s.agent_id).outerjoin(grants, grants.c.agent_id == agents.c.id)
        )
        .where(*_active(cutoff))
        .where(agents.c.revoked_at.is_(None), agents.c.disabled_at.is_(None))
        .where(one_of(unit, s.hash, list(hashes)))
    )
    found: dict[bytes, SessionRow] = {}
    for row in await unit.connection.execute(query):
        hash = bytes(row.hash)
        session = found.get(hash) or _read(row)
        if row.role:
            held = session.agent.grants | {(row.role, row.department)}
            session = replace(session, agent=replace(session.agent, grants=held))
        found[hash] = session
    return found


async def of_agent(unit: Unit, name: str, cutoff: SessionCutoff, limit: int) -> list[SessionListRow]:
    """The active sessions of the working agent of that name, newest first."""
    query = (
        select(s.id, agents.c.name, s.source, s.created_at, s.seen_at)
        .join_from(sessions, agents, agents.c.id == s.agent_id)
        .where(agents.c.name == name, agents.c.revoked_at.is_(None), agents.c.disabled_at.is_(None))
        .where(*_active(cutoff))
    )
    return [SessionListRow(*row) for row in await unit.connection.execute(query.order_by(s.id.desc()).limit(limit))]


async def provider_logins(unit: Unit, cutoff: SessionCutoff) -> set[tuple[str, str]]:
    """(issuer, subject) of everyone with an active session from an identity provider."""
    query = select(s.issuer, s.subject).distinct().where(*_active(cutoff))
    found = await unit.connection.execute(query.where(s.issuer.is_not(None)))
    return {(row.issuer, row.subject) for row in found}


async def end_one(unit: Unit, id: int, *, scope: Scope, or_of: str) -> bool:
    """End that session of the agent `or_of`, or of an agent with roles in these departments only.

    False if there is none.
    """
    whose = or_(agents.c.name == or_of, agents_within(scope))
    those = select(agents.c.id).where(agents.c.revoked_at.is_(None), whose)
    return bool((await unit.connection.execute(delete(sessions).where(s.id == id, s.agent_id.in_(those)))).rowcount)


async def set_seen(unit: Unit, ids: Collection[int]) -> None:
    """Record a request of each session now, unless another process has recorded a later one."""
    await unit.connection.execute(update(sessions).where(s.id.in_(ids), s.seen_at < unit.now).values(seen_at=unit.now))


async def replace_hash(unit: Unit, old: bytes, new: bytes) -> bool:
    """Give the session a new secret; False if there is no such session."""
    return bool((await unit.connection.execute(update(sessions).where(s.hash == old).values(hash=new))).rowcount)


async def set_check_by(unit: Unit, id: int, check_by: datetime) -> None:
    """Set when the identity provider is asked about it next."""
    of_provider = (s.id == id, s.check_by.is_not(None))
    await unit.connection.execute(update(sessions).where(*of_provider).values(check_by=check_by))


async def check_of_provider(unit: Unit, issuer: str, subject: str) -> None:
    """Have the identity provider asked about that person's sessions now."""
    theirs = (s.issuer == issuer, s.subject == subject, s.check_by > unit.now)
    await unit.connection.execute(update(sessions).where(*theirs).values(check_by=unit.now))


async def end(unit: Unit, hash: bytes) -> bool:
    """End the session; False if there is none."""
    return bool((await unit.connection.execute(delete(sessions).where(s.hash == hash))).rowcount)


async def end_of_agent(unit: Unit, agent_id: int, *, excluding: bytes | None = None) -> int:
    """End all sessions of the agent, perhaps excluding one. Returns how many."""
    others = [] if excluding is None else [s.hash != excluding]
    return int((await unit.connection.execute(delete(sessions).where(s.agent_id == agent_id, *others))).rowcount)


async def end_of_provider(unit: Unit, issuer: str, *, subject: str | None, sid: str | None) -> int:
    """End the sessions of that person, of that provider session, or of both if both are given. Returns how many.

    A session without a `sid` is found by the person alone.
    """
    named: list[ColumnElement[bool]] = []
    if subject is not None:
        named.append(s.subject == subject)
    if sid is not None:
        named.append(s.sid == sid if subject is None else or_(s.sid == sid, s.sid.is_(None)))
    if not named:
        return 0
    return int((await unit.connection.execute(delete(sessions).where(s.issuer == issuer, and_(*named)))).rowcount)


async def clear(unit: Unit, cutoff: SessionCutoff) -> None:
    """Delete the sessions that have ended by age or idleness."""
    await unit.connection.execute(delete(sessions).where(not_(and_(*_active(cutoff)))))


def _active(cutoff: SessionCutoff) -> list[ColumnElement[bool]]:
    return [s.seen_at > cutoff.seen, s.created_at > cutoff.created, s.created_at <= cutoff.opened_by]


def _read(row: Any) -> SessionRow:
    agent = AgentRow(
        id=row.agent_id,
        name=row.name,
        phone=row.phone,
        grants=frozenset(),
        opened=emergency.departments(row.opened),
        change_password_by=row.change_password_by,
        second_factor=row.second_factor,
    )
    login = ProviderLogin(row.issuer, row.subject, row.sid, row.check_by) if row.issuer else None
    return SessionRow(row.id, agent, LoginSource(row.source), row.created_at, row.seen_at, login)
