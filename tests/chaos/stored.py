"""What a system has stored, read past its doors: rows of callbacks and calls, and files in the spool."""

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from desk.database.engine import Database
from desk.schema.tables import callbacks, calls, inquiries
from desk.settings.settings import Settings
from desk.wire import make_vault


@dataclass(frozen=True)
class StoredCallback:
    """A row of callbacks. `identity` is the number in clear: all are synthetic. `made`: when it was stored."""

    phone: str
    identity: str | None
    call_count: int
    doubtful: bool = False
    made: datetime | None = None


@dataclass(frozen=True)
class StoredCall:
    """A row of calls. `why` is None while the call is on the line, or after it was confirmed. `at`: its arrival."""

    phone: str | None
    incomplete: bool
    why: str | None
    step: str | None = None
    at: datetime | None = None


@dataclass(frozen=True)
class Stored:
    """Everything that was stored, by the number called from. Calls without a number are under None."""

    callbacks: dict[str, list[StoredCallback]]
    calls: dict[str | None, list[StoredCall]]


async def read_stored(settings: Settings, url: str, *, open_only: bool = False) -> Stored:
    """Read the database at `url`, which may be another way to the same one. Raises StorageUnavailable."""
    vault = make_vault(settings.vault)
    database = Database(url)
    found, rung = defaultdict[str, list[StoredCallback]](list), defaultdict[str | None, list[StoredCall]](list)
    try:
        async with database.read() as connection:
            theirs = (callbacks.c.phone, callbacks.c.call_count, callbacks.c.identity_doubtful, inquiries.c.created_at)
            query = select(inquiries.c.id, inquiries.c.patient_number, *theirs)
            query = query.join_from(callbacks, inquiries, callbacks.c.id == inquiries.c.id)
            query = query.where(inquiries.c.status != "closed") if open_only else query
            for id, number, phone, *more in await connection.execute(query):
                identity = vault.open(bytes(number), "inquiries.patient_number", id) if number else None
                found[phone].append(StoredCallback(phone, identity, *more))
            for row in await connection.execute(
                select(calls.c.phone, calls.c.incomplete, calls.c.why, calls.c.step, calls.c.at).order_by(calls.c.id)
            ):
                rung[row.phone].append(StoredCall(*row))
    finally:
        await database.close()
    return Stored(dict(found), dict(rung))


def spooled(folder: Path) -> int:
    """Count the files that wait in a spool."""
    return len(list(folder.glob("*.entry")))


async def drained(folder: Path, seconds: float = 120.0) -> int:
    """Wait until no callback waits in the spool of a busy machine. Returns how many waited there at first."""
    first = spooled(folder)
    until = time.monotonic() + seconds
    while spooled(folder) and time.monotonic() < until:  # noqa: ASYNC110  # another process empties it
        await asyncio.sleep(0.5)
    return first
