"""Second factors of accounts in the database, and their recovery codes by SHA-256."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, delete, exists, func, insert, or_, select, update

from desk.database.engine import Connection
from desk.schema.tables import agents, recovery_codes, second_factors

SECRET: Final = "second_factors.secret"
"""What a sealed secret is bound to, with its row."""

c = second_factors.c


@dataclass(frozen=True)
class Row:
    """One second factor as stored. `confirmed_at` is None while it is being set up."""

    id: str
    secret: bytes = field(repr=False)
    confirmed_at: datetime | None


def has_one() -> ColumnElement[bool]:
    """Whether the agent of the query has an active one."""
    return exists(select(c.id).where(c.agent_id == agents.c.id, c.confirmed_at.is_not(None)).correlate(agents)).label(
        "second_factor"
    )


async def active(connection: Connection, agent_id: int) -> Row | None:
    """The one the agent must show."""
    return await _one(connection, c.agent_id == agent_id, c.confirmed_at.is_not(None))


async def begun(connection: Connection, agent_id: int, since: datetime) -> Row | None:
    """The one that is being set up, if it was begun after that."""
    return await _one(connection, c.agent_id == agent_id, c.confirmed_at.is_(None), c.created_at > since)


async def begin(connection: Connection, agent_id: int, id: str, secret: bytes, now: datetime) -> None:
    """Set one up, in place of any other that was not finished."""
    await connection.execute(delete(second_factors).where(c.agent_id == agent_id, c.confirmed_at.is_(None)))
    await connection.execute(insert(second_factors).values(id=id, agent_id=agent_id, secret=secret, created_at=now))


async def activate(connection: Connection, agent_id: int, id: str, step: int, now: datetime) -> None:
    """From now on it is this one, and no other."""
    await connection.execute(delete(second_factors).where(c.agent_id == agent_id, c.id != id))
    await connection.execute(update(second_factors).where(c.id == id).values(confirmed_at=now, last_step=step))


async def take_step(connection: Connection, id: str, step: int) -> bool:
    """Whether no code of that step, or of one after it, was taken before: of several at once one takes it."""
    newer = or_(c.last_step.is_(None), c.last_step < step)
    taken = await connection.execute(update(second_factors).where(c.id == id, newer).values(last_step=step))
    return bool(taken.rowcount)


async def take_recovery_code(connection: Connection, agent_id: int, hash: bytes) -> bool:
    """Whether it was one of the agent's; it is no more."""
    r = recovery_codes.c
    taken = await connection.execute(delete(recovery_codes).where(r.agent_id == agent_id, r.hash == hash))
    return bool(taken.rowcount)


async def has_recovery_code(connection: Connection, agent_id: int, hash: bytes) -> bool:
    """Whether it is one of the agent's."""
    r = recovery_codes.c
    found = await connection.execute(select(r.id).where(r.agent_id == agent_id, r.hash == hash))
    return found.first() is not None


async def put_recovery_codes(connection: Connection, agent_id: int, hashes: Iterable[bytes]) -> None:
    """These and no others."""
    await connection.execute(delete(recovery_codes).where(recovery_codes.c.agent_id == agent_id))
    await connection.execute(insert(recovery_codes), [{"agent_id": agent_id, "hash": hash} for hash in hashes])


async def recovery_codes_left(connection: Connection, agent_id: int) -> int:
    """How many the agent has."""
    query = select(func.count()).select_from(recovery_codes).where(recovery_codes.c.agent_id == agent_id)
    return int((await connection.execute(query)).scalar_one())


async def remove(connection: Connection, agent_id: int) -> bool:
    """Forget the agent's second factor, what is being set up, and the recovery codes. Whether one was active."""
    had = await active(connection, agent_id) is not None
    await connection.execute(delete(second_factors).where(c.agent_id == agent_id))
    await connection.execute(delete(recovery_codes).where(recovery_codes.c.agent_id == agent_id))
    return had


async def _one(connection: Connection, *conditions: ColumnElement[bool]) -> Row | None:
    row = (await connection.execute(select(c.id, c.secret, c.confirmed_at).where(*conditions))).first()
    return Row(row.id, bytes(row.secret), row.confirmed_at) if row else None
