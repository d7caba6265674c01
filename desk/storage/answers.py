"""Answers to requests that may be repeated, in the database."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from desk.storage.database import Connection
from desk.storage.tables import answers

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


async def forget(connection: Connection, agent: str, key: str, before: datetime) -> None:
    """Delete that answer if it is older than `before`, and some of the others that are."""
    await connection.execute(delete(answers).where(c.agent == agent, c.key == key, c.at <= before))
    old = select(c.id).where(c.at <= before).order_by(c.at).limit(SWEPT_AT_ONCE).with_for_update(skip_locked=True)
    await connection.execute(delete(answers).where(c.id.in_(old)))


async def find(connection: Connection, agent: str, key: str) -> Kept | None:
    """The answer to that agent's request of that key."""
    query = select(c.id, c.fingerprint, c.answer).where(c.agent == agent, c.key == key)
    row = (await connection.execute(query)).one_or_none()
    return Kept(row.id, row.fingerprint, row.answer) if row else None


async def reserve(connection: Connection, agent: str, key: str, fingerprint: bytes, now: datetime) -> int:
    """Take the key; the row's id. Waits for another unit of work that has it: `Conflict` when that one committed."""
    statement = insert(answers).values(agent=agent, key=key, fingerprint=fingerprint, at=now).returning(c.id)
    return int((await connection.execute(statement)).scalar_one())


async def keep(connection: Connection, id: int, answer: bytes) -> None:
    """The sealed answer to a reserved key."""
    await connection.execute(update(answers).where(c.id == id).values(answer=answer))
