"""Tokens in the database, by their SHA-256."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, insert, or_, select, update

from desk.storage import emergency
from desk.storage.agents import AgentRow
from desk.storage.callbacks import one_of
from desk.storage.database import Connection
from desk.storage.tables import agents, grants, tokens

t = tokens.c


@dataclass(frozen=True)
class TokenRow:
    """A token as stored. `scope` holds what it is narrowed to: `departments`, `permissions`; either may be missing."""

    id: int
    agent: str
    label: str
    scope: dict[str, Any]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True)
class Opened:
    """A token that works, and whose it is."""

    id: int
    agent: AgentRow
    scope: dict[str, Any]
    last_used_at: datetime | None


def working(now: datetime) -> ColumnElement[bool]:
    """Neither revoked nor expired, and its agent's access isn't either; where tokens and agents are joined."""
    open_ = (agents.c.revoked_at.is_(None), agents.c.disabled_at.is_(None))
    return and_(t.revoked_at.is_(None), or_(t.expires_at.is_(None), t.expires_at > now), *open_)


async def insert_token(
    connection: Connection,
    agent_id: int,
    *,
    label: str,
    hash: bytes,
    scope: dict[str, Any] | None,
    created_at: datetime,
    expires_at: datetime | None,
) -> int:
    """The new token's id."""
    values = {"agent_id": agent_id, "label": label, "hash": hash, "scope": scope}
    made = await connection.execute(
        insert(tokens).values(**values, created_at=created_at, expires_at=expires_at).returning(t.id)
    )
    return int(made.scalar_one())


async def by_hashes(connection: Connection, hashes: Collection[bytes], now: datetime) -> dict[bytes, Opened]:
    """Those of them that work, each with its agent and the agent's grants: one query."""
    query = (
        select(
            *(t.hash, t.id, t.scope, t.last_used_at),
            *(agents.c.id.label("agent_id"), agents.c.name, agents.c.phone, grants.c.role, grants.c.department),
            emergency.opened(now),
        )
        .select_from(tokens.join(agents, agents.c.id == t.agent_id).outerjoin(grants, grants.c.agent_id == agents.c.id))
        .where(working(now), one_of(connection, t.hash, list(hashes)))
    )
    found: dict[bytes, Opened] = {}
    for row in await connection.execute(query):
        hash = bytes(row.hash)
        opened = found.get(hash) or _opened(row)
        if row.role:
            held = opened.agent.grants | {(row.role, row.department)}
            opened = replace(opened, agent=replace(opened.agent, grants=held))
        found[hash] = opened
    return found


async def of_agents(connection: Connection, names: Collection[str] | None, now: datetime) -> Sequence[TokenRow]:
    """The tokens that work, of these agents or of all, oldest first."""
    query = (
        select(tokens, agents.c.name.label("agent"))
        .select_from(tokens.join(agents, agents.c.id == t.agent_id))
        .where(working(now))
        .order_by(t.id)
    )
    if names is not None:
        query = query.where(agents.c.name.in_(names))
    return [_read(row) for row in await connection.execute(query)]


async def one(connection: Connection, id: int, now: datetime) -> TokenRow | None:
    """A token that works, by its id."""
    query = (
        select(tokens, agents.c.name.label("agent"))
        .select_from(tokens.join(agents, agents.c.id == t.agent_id))
        .where(working(now), t.id == id)
    )
    row = (await connection.execute(query)).one_or_none()
    return _read(row) if row else None


async def revoke(connection: Connection, id: int, now: datetime) -> bool:
    """Whether there was such a token, not yet revoked."""
    result = await connection.execute(update(tokens).where(t.id == id, t.revoked_at.is_(None)).values(revoked_at=now))
    return bool(result.rowcount)


async def used(connection: Connection, ids: Collection[int], now: datetime) -> None:
    """Note that they were used at this moment, unless another process noted a later one."""
    earlier = or_(t.last_used_at.is_(None), t.last_used_at < now)
    await connection.execute(update(tokens).where(t.id.in_(ids), earlier).values(last_used_at=now))


async def count(connection: Connection, agent_id: int, now: datetime) -> int:
    """How many working tokens the agent has."""
    query = select(func.count()).select_from(tokens.join(agents, agents.c.id == t.agent_id))
    return int((await connection.execute(query.where(working(now), t.agent_id == agent_id))).scalar_one())


def _opened(row: Any) -> Opened:
    open_to = emergency.departments(row.opened)
    agent = AgentRow(row.agent_id, row.name, row.phone, frozenset(), opened=open_to)
    return Opened(row.id, agent, row.scope or {}, row.last_used_at)


def _read(row: Any) -> TokenRow:
    scope, used_at = row.scope or {}, row.last_used_at
    return TokenRow(row.id, row.agent, row.label, scope, row.created_at, row.expires_at, row.revoked_at, used_at)
