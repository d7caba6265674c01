"""Answers to requests that may be repeated, in the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import delete, func, insert, select, update

from desk.database.engine import Connection
from desk.schema.tables import answers

c = answers.c

SWEPT_AT_ONCE = 50
ANSWER = "answers.answer"
"""What a sealed answer is bound to, with its row."""


@dataclass(frozen=True)
class Kept:
    """One answer as stored."""

    id: int
    fingerprint: bytes
    answer: bytes


async def one_at_a_time(connection: Connection, agent: str, keys: Sequence[str]) -> None:
    """While the index key is changed, a key may be written in two ways, of which the unique index knows nothing.

    So who has such a key waits for whoever else has it, as in desk/callbacks/repository.py. SQLite has one writer
    anyway.
    """
    if len(keys) == 1 or connection.dialect.name != "postgresql":
        return
    for lock in sorted(sha256(f"{agent}\0{key}".encode()).digest()[:8] for key in keys):
        await connection.execute(select(func.pg_advisory_xact_lock(int.from_bytes(lock, "big", signed=True))))


async def forget(connection: Connection, agent: str, keys: Sequence[str], before: datetime) -> None:
    """Delete that answer if it is older than `before`, and some of the others that are."""
    await connection.execute(delete(answers).where(c.agent == agent, c.key.in_(keys), c.at <= before))
    old = select(c.id).where(c.at <= before).order_by(c.at).limit(SWEPT_AT_ONCE).with_for_update(skip_locked=True)
    await connection.execute(delete(answers).where(c.id.in_(old)))


async def find(connection: Connection, agent: str, keys: Sequence[str]) -> Kept | None:
    """The answer to that agent's request of that key, however it is written."""
    query = select(c.id, c.fingerprint, c.answer).where(c.agent == agent, c.key.in_(keys))
    row = (await connection.execute(query)).first()
    return Kept(row.id, row.fingerprint, row.answer) if row else None


async def reserve(connection: Connection, agent: str, key: str, fingerprint: bytes, now: datetime) -> int:
    """Take the key; the row's id. Waits for another unit of work that has it: `Conflict` when that one committed."""
    statement = insert(answers).values(agent=agent, key=key, fingerprint=fingerprint, at=now).returning(c.id)
    return int((await connection.execute(statement)).scalar_one())


async def keep(connection: Connection, id: int, answer: bytes) -> None:
    """The sealed answer to a reserved key."""
    await connection.execute(update(answers).where(c.id == id).values(answer=answer))
