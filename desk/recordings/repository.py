"""What callers said their call is about: sealed sound, at most one for each callback."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from desk.access.permissions import Scope
from desk.database.engine import Connection
from desk.schema.scope import of_callback
from desk.schema.tables import callbacks, recordings

r = recordings.c

KEY = "recordings.key"
"""What a recording's sealed key is bound to, beside the callback."""


async def exists(connection: Connection, callback_id: str) -> bool:
    """Whether the callback has one."""
    query = select(r.callback_id).where(r.callback_id == callback_id)
    return (await connection.execute(query)).first() is not None


async def add(connection: Connection, callback_id: str, at: datetime, *, key: bytes, sound: bytes) -> None:
    """Keep a recording; `key` is sealed by the vault, `sound` with that key."""
    values = {"callback_id": callback_id, "at": at, "key": key, "sound": sound}
    await connection.execute(insert(recordings).values(**values))


async def find(connection: Connection, callback_id: str, *, scope: Scope) -> tuple[bytes, bytes] | None:
    """The sealed key and sound; None when there is none, or the callback is outside the scope."""
    query = select(r.key, r.sound).where(*of_callback(connection, r.callback_id, callback_id, scope))
    row = (await connection.execute(query)).one_or_none()
    return (bytes(row.key), bytes(row.sound)) if row else None


async def remove(connection: Connection, callback_ids: Collection[str]) -> int:
    """Delete the recordings of these callbacks; how many there were."""
    ids = list(callback_ids)
    gone = (await connection.execute(delete(recordings).where(r.callback_id.in_(ids)).returning(r.callback_id))).all()
    if gone:
        had = callbacks.c.id.in_([row.callback_id for row in gone])
        await connection.execute(update(callbacks).where(had).values(has_recording=False))
    return len(gone)
