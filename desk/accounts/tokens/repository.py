"""Tokens in the database, by their SHA-256."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, TextualSelect, and_, any_, func, insert, or_, select, update

from desk.access.permissions import Permission, Scope
from desk.accounts import emergency_repository as emergency
from desk.accounts.repository import AgentRow, agents_within
from desk.accounts.tokens.model import Token, TokenScope
from desk.database.compiled import compiled, parameter
from desk.database.unit_of_work import Unit
from desk.history.feed_repository import NEWEST
from desk.schema.tables import agents, grants, tokens

t = tokens.c


@dataclass(frozen=True)
class ActiveToken:
    """A token that is valid now, with its agent. `history`: the newest id in the history at the same moment."""

    id: int
    agent: AgentRow
    scope: TokenScope
    last_used_at: datetime | None
    history: int


def _is_active(now: Any) -> ColumnElement[bool]:
    """Whether neither the token nor its agent is revoked, expired or disabled; for queries that join the two."""
    agent_is_active = (agents.c.revoked_at.is_(None), agents.c.disabled_at.is_(None))
    return and_(t.revoked_at.is_(None), or_(t.expires_at.is_(None), t.expires_at > now), *agent_is_active)


async def insert_token(
    unit: Unit,
    agent_id: int,
    *,
    label: str,
    hash: bytes,
    scope: TokenScope,
    expires_at: datetime | None,
    given_by: int | None = None,
) -> int:
    """Add a token and return its id. `given_by`: the token it was made with, and is revoked with."""
    values = {
        "agent_id": agent_id,
        "label": label,
        "hash": hash,
        "scope": _stored_scope(scope),
        "created_at": unit.now,
        "expires_at": expires_at,
        "given_by": given_by,
    }
    return int((await unit.connection.execute(insert(tokens).values(values).returning(t.id))).scalar_one())


def _active(now: Any, those: ColumnElement[bool]) -> Select[Any]:
    """Select the active ones of the tokens, with a row for each grant of the agent."""
    return (
        select(
            t.hash,
            t.id,
            t.scope,
            t.last_used_at,
            agents.c.id.label("agent_id"),
            agents.c.name,
            agents.c.phone,
            grants.c.role,
            grants.c.department,
            emergency.opened(now),
            NEWEST.label("history"),
        )
        .select_from(tokens.join(agents, agents.c.id == t.agent_id).outerjoin(grants, grants.c.agent_id == agents.c.id))
        .where(_is_active(now), those)
    )


def _active_in_postgresql() -> TextualSelect:
    """The statement compiled once: every request runs it."""
    query = _active(parameter("now", "timestamptz"), t.hash == any_(parameter("hashes", "bytea[]")))
    return compiled(query, list(query.selected_columns))


_ACTIVE: Final = _active_in_postgresql()


async def by_hashes(unit: Unit, hashes: Collection[bytes]) -> dict[bytes, ActiveToken]:
    """The active ones of these tokens, each with its agent and the agent's grants, in one query."""
    if unit.connection.dialect.name == "postgresql":
        rows = await unit.connection.execute(_ACTIVE, {"now": unit.now, "hashes": list(hashes)})
    else:
        rows = await unit.connection.execute(_active(unit.now, t.hash.in_(hashes)))
    found: dict[bytes, ActiveToken] = {}
    for row in rows:
        hash = bytes(row.hash)
        token = found.get(hash) or _read_active(row)
        if row.role:
            held = token.agent.grants | {(row.role, row.department)}
            token = replace(token, agent=replace(token.agent, grants=held))
        found[hash] = token
    return found


async def of_agents(unit: Unit, names: Collection[str] | None) -> Sequence[Token]:
    """The active tokens of these agents or of all, oldest first."""
    query = _rows().where(_is_active(unit.now)).order_by(t.id)
    if names is not None:
        query = query.where(agents.c.name.in_(names))
    return [_read(row) for row in await unit.connection.execute(query)]


async def find(unit: Unit, id: int) -> Token | None:
    """An active token by its id."""
    row = (await unit.connection.execute(_rows().where(_is_active(unit.now), t.id == id))).one_or_none()
    return _read(row) if row else None


async def by_hash(unit: Unit, hash: bytes) -> Token | None:
    """An active token by its hash."""
    row = (await unit.connection.execute(_rows().where(_is_active(unit.now), t.hash == hash))).one_or_none()
    return _read(row) if row else None


async def locked_by_hash(unit: Unit, hash: bytes) -> Token | None:
    """An active token by its hash, which can't be revoked until this unit of work ends."""
    query = _rows().where(_is_active(unit.now), t.hash == hash).with_for_update(of=tokens)
    row = (await unit.connection.execute(query)).one_or_none()
    return _read(row) if row else None


async def is_narrowed(unit: Unit, hash: bytes) -> bool:
    """Whether the token of that hash is limited to less than its agent may."""
    return bool((await unit.connection.execute(select(t.scope).where(t.hash == hash))).scalar_one_or_none())


async def page(
    unit: Unit, *, scope: Scope, or_of: str, agent: str | None, before: int | None, limit: int
) -> list[Token]:
    """Tokens of agents within these departments or of the agent `or_of`, newest first, with ids below `before`.

    Also those that have ended.
    """
    query = _rows().where(_visible_to(scope, or_of))
    if agent is not None:
        query = query.where(agents.c.name == agent)
    if before is not None:
        query = query.where(t.id < before)
    return [_read(row) for row in await unit.connection.execute(query.order_by(t.id.desc()).limit(limit))]


async def find_within(unit: Unit, id: int, *, scope: Scope, or_of: str) -> Token | None:
    """That token, if it is of an agent within these departments or of the agent `or_of`."""
    row = (await unit.connection.execute(_rows().where(t.id == id, _visible_to(scope, or_of)))).one_or_none()
    return _read(row) if row else None


async def revoke(unit: Unit, id: int) -> bool:
    """Revoke the token and every token made with it, directly or not. False if there is none, or it is revoked."""
    revoked = update(tokens).where(t.id == id, t.revoked_at.is_(None)).values(revoked_at=unit.now)
    if not (await unit.connection.execute(revoked)).rowcount:
        return False
    made = select(t.id).where(t.given_by == id).cte("made", recursive=True)
    made = made.union_all(select(t.id).join(made, t.given_by == made.c.id))
    made_with_it = (t.id.in_(select(made.c.id)), t.revoked_at.is_(None))
    await unit.connection.execute(update(tokens).where(*made_with_it).values(revoked_at=unit.now))
    return True


async def set_used(unit: Unit, ids: Collection[int]) -> None:
    """Record that they were used now, unless another process has recorded a later use."""
    earlier = or_(t.last_used_at.is_(None), t.last_used_at < unit.now)
    await unit.connection.execute(update(tokens).where(t.id.in_(ids), earlier).values(last_used_at=unit.now))


async def count(unit: Unit, agent_id: int) -> int:
    """How many active tokens the agent has."""
    query = select(func.count()).select_from(tokens.join(agents, agents.c.id == t.agent_id))
    of_agent = query.where(_is_active(unit.now), t.agent_id == agent_id)
    return int((await unit.connection.execute(of_agent)).scalar_one())


def _rows() -> Any:
    return select(tokens, agents.c.name.label("agent")).join_from(tokens, agents, agents.c.id == t.agent_id)


def _visible_to(scope: Scope, agent: str) -> ColumnElement[bool]:
    return and_(agents.c.revoked_at.is_(None), or_(agents.c.name == agent, agents_within(scope)))


def _read_active(row: Any) -> ActiveToken:
    opened = emergency.departments(row.opened)
    agent = AgentRow(row.agent_id, row.name, row.phone, frozenset(), opened=opened)
    return ActiveToken(row.id, agent, _scope(row.scope), row.last_used_at, row.history)


def _read(row: Any) -> Token:
    return Token(
        id=row.id,
        agent=row.agent,
        label=row.label,
        scope=_scope(row.scope),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )


def _stored_scope(scope: TokenScope) -> dict[str, list[str]] | None:
    limits = {"departments": scope.departments, "permissions": scope.permissions}
    return {name: sorted(values) for name, values in limits.items() if values is not None} or None


def _scope(stored: Mapping[str, Any] | None) -> TokenScope:
    departments, permissions = (stored or {}).get("departments"), (stored or {}).get("permissions")
    return TokenScope(
        None if departments is None else frozenset(departments),
        None if permissions is None else frozenset(map(Permission, permissions)),
    )
