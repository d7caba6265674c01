"""Agents in the database. A revoked agent keeps its row: history names it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, insert, select, update

from desk.storage.callbacks import one_of
from desk.storage.database import Connection
from desk.storage.tables import agents

_SHOWN = (agents.c.name, agents.c.role, agents.c.departments, agents.c.phone)


@dataclass(frozen=True)
class AgentRow:
    """One working agent as stored."""

    name: str
    role: str
    departments: tuple[str, ...]
    phone: str | None


async def insert_agent(
    connection: Connection,
    *,
    name: str,
    role: str,
    departments: Sequence[str],
    phone: str | None,
    token_hash: bytes,
    created_at: datetime,
) -> None:
    """Raises `Conflict` (at the end of the unit of work) when a working agent has that name."""
    await connection.execute(
        insert(agents).values(
            name=name,
            role=role,
            departments=list(departments),
            phone=phone,
            token_hash=token_hash,
            created_at=created_at,
        )
    )


async def by_tokens(connection: Connection, token_hashes: Collection[bytes]) -> dict[bytes, AgentRow]:
    """The working agents whose tokens have those SHA-256, by them."""
    query = select(agents.c.token_hash, *_SHOWN).where(agents.c.revoked_at.is_(None))
    found = await connection.execute(query.where(one_of(connection, agents.c.token_hash, list(token_hashes))))
    return {row.token_hash: _read(row) for row in found}


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
    query = select(*_SHOWN).where(agents.c.revoked_at.is_(None), *conditions).order_by(agents.c.name)
    return [_read(row) for row in await connection.execute(query)]


def _read(row: Any) -> AgentRow:
    return AgentRow(row.name, row.role, tuple(row.departments), row.phone)
