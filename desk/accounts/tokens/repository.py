"""Tokens in the database, by their SHA-256."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, insert, or_, select, update

from desk.access.permissions import Scope
from desk.accounts import emergency_repository as emergency
from desk.accounts.repository import AgentRow, agents_within
from desk.database.engine import Connection
from desk.schema.scope import one_of
from desk.schema.tables import agents, grants, tokens

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
    given_by: int | None = None,
) -> int:
    """The new token's id. `given_by`: the token it was made with, and ends with."""
    values = {"agent_id": agent_id, "label": label, "hash": hash, "scope": scope, "given_by": given_by}
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
    query = _rows().where(working(now)).order_by(t.id)
    if names is not None:
        query = query.where(agents.c.name.in_(names))
    return [_read(row) for row in await connection.execute(query)]


async def one(connection: Connection, id: int, now: datetime) -> TokenRow | None:
    """A token that works, by its id."""
    row = (await connection.execute(_rows().where(working(now), t.id == id))).one_or_none()
    return _read(row) if row else None


async def of_hash(connection: Connection, hash: bytes, now: datetime) -> TokenRow | None:
    """A token that works, by its hash; kept from being revoked until this unit of work ends."""
    query = _rows().where(working(now), t.hash == hash).with_for_update(of=tokens)
    row = (await connection.execute(query)).one_or_none()
    return _read(row) if row else None


async def is_narrowed(connection: Connection, hash: bytes) -> bool:
    """Whether the token of that hash opens less than its agent may."""
    return bool((await connection.execute(select(t.scope).where(t.hash == hash))).scalar_one_or_none())


async def page(
    connection: Connection, *, scope: Scope, or_of: str, agent: str | None, before: int | None, limit: int
) -> list[TokenRow]:
    """Those of agents within these departments or of that agent, newest first, below `before`; also ended ones."""
    query = _rows().where(_seen_by(scope, or_of))
    if agent is not None:
        query = query.where(agents.c.name == agent)
    if before is not None:
        query = query.where(t.id < before)
    return [_read(row) for row in await connection.execute(query.order_by(t.id.desc()).limit(limit))]


async def seen(connection: Connection, id: int, *, scope: Scope, or_of: str) -> TokenRow | None:
    """That one, if it is of an agent within these departments or of that agent."""
    row = (await connection.execute(_rows().where(t.id == id, _seen_by(scope, or_of)))).one_or_none()
    return _read(row) if row else None


async def revoke(connection: Connection, id: int, now: datetime) -> bool:
    """Whether there was such a token, not yet revoked. What was made with it ends with it, and so on."""
    result = await connection.execute(update(tokens).where(t.id == id, t.revoked_at.is_(None)).values(revoked_at=now))
    if not result.rowcount:
        return False
    made = select(t.id).where(t.given_by == id).cte("made", recursive=True)
    made = made.union_all(select(t.id).join(made, t.given_by == made.c.id))
    with_it = t.id.in_(select(made.c.id))
    await connection.execute(update(tokens).where(with_it, t.revoked_at.is_(None)).values(revoked_at=now))
    return True


async def used(connection: Connection, ids: Collection[int], now: datetime) -> None:
    """Note that they were used at this moment, unless another process noted a later one."""
    earlier = or_(t.last_used_at.is_(None), t.last_used_at < now)
    await connection.execute(update(tokens).where(t.id.in_(ids), earlier).values(last_used_at=now))


async def count(connection: Connection, agent_id: int, now: datetime) -> int:
    """How many working tokens the agent has."""
    query = select(func.count()).select_from(tokens.join(agents, agents.c.id == t.agent_id))
    return int((await connection.execute(query.where(working(now), t.agent_id == agent_id))).scalar_one())


def _rows() -> Any:
    return select(tokens, agents.c.name.label("agent")).join_from(tokens, agents, agents.c.id == t.agent_id)


def _seen_by(scope: Scope, agent: str) -> ColumnElement[bool]:
    return and_(agents.c.revoked_at.is_(None), or_(agents.c.name == agent, agents_within(scope)))


def _opened(row: Any) -> Opened:
    open_to = emergency.departments(row.opened)
    agent = AgentRow(row.agent_id, row.name, row.phone, frozenset(), opened=open_to)
    return Opened(row.id, agent, row.scope or {}, row.last_used_at)


def _read(row: Any) -> TokenRow:
    scope, used_at = row.scope or {}, row.last_used_at
    return TokenRow(row.id, row.agent, row.label, scope, row.created_at, row.expires_at, row.revoked_at, used_at)
