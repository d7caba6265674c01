"""Recordings in the database: sealed sound, at most one for each callback."""

from collections.abc import Collection

from sqlalchemy import delete, insert, select, update

from desk.database.unit_of_work import Unit
from desk.ids import CallbackId
from desk.schema.scope import about
from desk.schema.tables import callbacks, recordings

r = recordings.c

KEY = "recordings.key"
"""What a recording's sealed key is bound to, along with the callback."""


async def exists(unit: Unit, callback_id: CallbackId) -> bool:
    """Whether the callback has a recording."""
    query = select(r.callback_id).where(r.callback_id == callback_id)
    return (await unit.connection.execute(query)).first() is not None


async def add(unit: Unit, callback_id: CallbackId, *, key: bytes, sound: bytes) -> None:
    """Add a recording. `key` is sealed by the vault, `sound` with that key."""
    values = {"callback_id": callback_id, "at": unit.now, "key": key, "sound": sound}
    await unit.connection.execute(insert(recordings).values(**values))


async def find(unit: Unit, callback_id: CallbackId) -> tuple[bytes, bytes] | None:
    """Read the sealed key and sound. None if there is none, or the callback is outside the scope."""
    query = select(r.key, r.sound).where(*about(unit, r.callback_id, callback_id))
    row = (await unit.connection.execute(query)).one_or_none()
    return (bytes(row.key), bytes(row.sound)) if row else None


async def remove(unit: Unit, callback_ids: Collection[CallbackId]) -> int:
    """Delete the recordings of these callbacks. Returns how many there were."""
    ids = list(callback_ids)
    gone = (
        await unit.connection.execute(delete(recordings).where(r.callback_id.in_(ids)).returning(r.callback_id))
    ).all()
    if gone:
        had = callbacks.c.id.in_([row.callback_id for row in gone])
        await unit.connection.execute(update(callbacks).where(had).values(has_recording=False))
    return len(gone)
