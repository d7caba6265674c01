"""Log-ins in the database, by the SHA-256 of what the browser holds. One that has ended leaves no row."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, insert, or_, select, update

from desk.access.permissions import Scope
from desk.accounts import emergency_repository as emergency
from desk.accounts.repository import AgentRow, agents_within
from desk.accounts.second_factor import repository as second_factors
from desk.database.engine import Connection
from desk.schema.scope import one_of
from desk.schema.tables import agents, grants, sessions

s = sessions.c


@dataclass(frozen=True)
class ProviderRow:
    """What a log-in at a provider left."""

    issuer: str
    subject: str
    sid: str | None
    check_by: datetime


@dataclass(frozen=True)
class SessionRow:
    """A session as stored, with its agent and the agent's grants."""

    id: int
    agent: AgentRow
    source: str
    created_at: datetime
    seen_at: datetime
    provider: ProviderRow | None


@dataclass(frozen=True)
class Oldest:
    """What a session may not be older than: its last request, and its beginning."""

    seen: datetime
    created: datetime


@dataclass(frozen=True)
class ListedRow:
    """A session as it is told of: nothing in it opens, nor says from where."""

    id: int
    agent: str
    source: str
    created_at: datetime
    seen_at: datetime


async def insert_session(
    connection: Connection, agent_id: int, *, hash: bytes, source: str, now: datetime, provider: ProviderRow | None
) -> int:
    """The new session's id."""
    values: dict[str, Any] = {"agent_id": agent_id, "hash": hash, "source": source, "created_at": now, "seen_at": now}
    if provider is not None:
        values |= {"issuer": provider.issuer, "subject": provider.subject, "sid": provider.sid}
        values["check_by"] = provider.check_by
    made = await connection.execute(insert(sessions).values(values).returning(s.id))
    return int(made.scalar_one())


async def by_hashes(
    connection: Connection, hashes: Collection[bytes], oldest: Oldest, now: datetime
) -> dict[bytes, SessionRow]:
    """Those of them that go on, each with its agent: one query."""
    query = (
        select(
            sessions,
            *(agents.c.name, agents.c.phone, agents.c.change_password_by, grants.c.role, grants.c.department),
            emergency.opened(now),
            second_factors.has_one(),
        )
        .select_from(
            sessions.join(agents, agents.c.id == s.agent_id).outerjoin(grants, grants.c.agent_id == agents.c.id)
        )
        .where(s.seen_at > oldest.seen, s.created_at > oldest.created)
        .where(agents.c.revoked_at.is_(None), agents.c.disabled_at.is_(None))
        .where(one_of(connection, s.hash, list(hashes)))
    )
    found: dict[bytes, SessionRow] = {}
    for row in await connection.execute(query):
        hash = bytes(row.hash)
        session = found.get(hash) or _read(row)
        if row.role:
            held = session.agent.grants | {(row.role, row.department)}
            session = replace(session, agent=replace(session.agent, grants=held))
        found[hash] = session
    return found


async def of_agent(connection: Connection, name: str, oldest: Oldest, limit: int) -> list[ListedRow]:
    """The working agent's sessions that go on, newest first."""
    query = (
        select(s.id, agents.c.name, s.source, s.created_at, s.seen_at)
        .join_from(sessions, agents, agents.c.id == s.agent_id)
        .where(agents.c.name == name, agents.c.revoked_at.is_(None), agents.c.disabled_at.is_(None))
        .where(s.seen_at > oldest.seen, s.created_at > oldest.created)
    )
    return [ListedRow(*row) for row in await connection.execute(query.order_by(s.id.desc()).limit(limit))]


async def logins(connection: Connection, oldest: Oldest) -> set[tuple[str, str]]:
    """(issuer, subject) of all who logged in at a provider and whose session goes on."""
    query = select(s.issuer, s.subject).distinct().where(s.seen_at > oldest.seen, s.created_at > oldest.created)
    return {(row.issuer, row.subject) for row in await connection.execute(query.where(s.issuer.is_not(None)))}


async def end_one(connection: Connection, id: int, *, scope: Scope, or_of: str) -> bool:
    """Whether there was such a session, of that agent or of an agent within these departments."""
    theirs = or_(agents.c.name == or_of, agents_within(scope))
    those = select(agents.c.id).where(agents.c.revoked_at.is_(None), theirs)
    return bool((await connection.execute(delete(sessions).where(s.id == id, s.agent_id.in_(those)))).rowcount)


async def seen(connection: Connection, ids: Collection[int], now: datetime) -> None:
    """Note a request of each at this moment, unless another process noted a later one."""
    await connection.execute(update(sessions).where(s.id.in_(ids), s.seen_at < now).values(seen_at=now))


async def exchange(connection: Connection, old: bytes, new: bytes) -> bool:
    """Whether there was such a session; it goes by the new hash alone."""
    return bool((await connection.execute(update(sessions).where(s.hash == old).values(hash=new))).rowcount)


async def checked(connection: Connection, id: int, check_by: datetime) -> None:
    """When the provider is to be asked about it next."""
    await connection.execute(update(sessions).where(s.id == id, s.check_by.is_not(None)).values(check_by=check_by))


async def end(connection: Connection, hash: bytes) -> bool:
    """Whether there was such a session."""
    return bool((await connection.execute(delete(sessions).where(s.hash == hash))).rowcount)


async def end_of_agent(connection: Connection, agent_id: int, *, excluding: bytes | None = None) -> int:
    """All of that agent's, perhaps but for one. How many."""
    others = [] if excluding is None else [s.hash != excluding]
    return int((await connection.execute(delete(sessions).where(s.agent_id == agent_id, *others))).rowcount)


async def end_of_provider(connection: Connection, issuer: str, *, subject: str | None, sid: str | None) -> int:
    """Those a provider names by the person or by its own session; both given, both must fit. How many.

    Of a session it gave no `sid` for, the person is all that can fit.
    """
    named: list[ColumnElement[bool]] = []
    if subject is not None:
        named.append(s.subject == subject)
    if sid is not None:
        named.append(s.sid == sid if subject is None else or_(s.sid == sid, s.sid.is_(None)))
    if not named:
        return 0
    return int((await connection.execute(delete(sessions).where(s.issuer == issuer, and_(*named)))).rowcount)


async def clear(connection: Connection, oldest: Oldest) -> None:
    """Take away what has ended by itself."""
    await connection.execute(delete(sessions).where(or_(s.seen_at <= oldest.seen, s.created_at <= oldest.created)))


def _read(row: Any) -> SessionRow:
    provider = ProviderRow(row.issuer, row.subject, row.sid, row.check_by) if row.issuer else None
    opened, by = emergency.departments(row.opened), row.change_password_by
    more: dict[str, Any] = {"opened": opened, "change_password_by": by, "second_factor": row.second_factor}
    agent = AgentRow(row.agent_id, row.name, row.phone, frozenset(), **more)
    return SessionRow(row.id, agent, row.source, row.created_at, row.seen_at, provider)
