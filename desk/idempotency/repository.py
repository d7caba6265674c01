"""Stored responses in the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import delete, func, insert, select, update

from desk.database.unit_of_work import Unit
from desk.schema.tables import answers

c = answers.c

DELETED_AT_ONCE = 50
ANSWER = "answers.answer"
"""What a sealed response is bound to, along with its row."""


@dataclass(frozen=True)
class StoredAnswer:
    """One response as stored."""

    id: int
    fingerprint: bytes
    answer: bytes


async def lock_keys(unit: Unit, agent: str, keys: Sequence[str]) -> None:
    """Let requests with the same key wait for each other while the index key is changed.

    Then a key may be written in two ways, and the unique index can't find that they are the same. As in
    desk/callbacks/repository.py. SQLite has one writer anyway.
    """
    if len(keys) == 1 or unit.connection.dialect.name != "postgresql":
        return
    for lock in sorted(sha256(f"{agent}\0{key}".encode()).digest()[:8] for key in keys):
        await unit.connection.execute(select(func.pg_advisory_xact_lock(int.from_bytes(lock, "big", signed=True))))


async def delete_old(unit: Unit, agent: str, keys: Sequence[str], *, before: datetime) -> None:
    """Delete the agent's response of that key if it is older than `before`, and some of the others that are."""
    await unit.connection.execute(delete(answers).where(c.agent == agent, c.key.in_(keys), c.at <= before))
    old = select(c.id).where(c.at <= before).order_by(c.at).limit(DELETED_AT_ONCE).with_for_update(skip_locked=True)
    await unit.connection.execute(delete(answers).where(c.id.in_(old)))


async def find(unit: Unit, agent: str, keys: Sequence[str]) -> StoredAnswer | None:
    """Return the response to the agent's request with that key, in whichever way the key is written."""
    query = select(c.id, c.fingerprint, c.answer).where(c.agent == agent, c.key.in_(keys))
    row = (await unit.connection.execute(query)).first()
    return StoredAnswer(row.id, row.fingerprint, row.answer) if row else None


async def reserve(unit: Unit, agent: str, key: str, fingerprint: bytes) -> int:
    """Take the key. Returns the row's id.

    Waits for another unit of work that has the key, and raises Conflict if that one committed.
    """
    statement = insert(answers).values(agent=agent, key=key, fingerprint=fingerprint, at=unit.now).returning(c.id)
    return int((await unit.connection.execute(statement)).scalar_one())


async def store(unit: Unit, id: int, answer: bytes) -> None:
    """Store the sealed response of a reserved key."""
    await unit.connection.execute(update(answers).where(c.id == id).values(answer=answer))
