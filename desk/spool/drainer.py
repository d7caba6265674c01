"""Move entries from the spool into the database: in the order they were written, each at least once.

Storing an entry must be idempotent, because a crash between the commit and the removal of the file repeats it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NoReturn

import structlog

from desk.database.errors import StorageUnavailable
from desk.errors import DeskError
from desk.spool.errors import DamagedEntry, SpoolUnavailable
from desk.spool.spool import Spool, SpoolEntry

log = structlog.get_logger(__name__)

EVERY: Final = 2.0
"""Seconds between two looks into the spool."""

Store = Callable[[SpoolEntry], Awaitable[None]]


class UnknownKind(DeskError):
    """Nothing here stores entries of this kind."""

    id = "unknown-kind"


class Drainer:
    """Stores what waits in one spool. `stores` has a function for each kind of entry."""

    def __init__(self, spool: Spool, stores: Mapping[str, Store], *, every: float = EVERY) -> None:
        self._spool = spool
        self._stores = stores
        self._every = every

    async def serve(self) -> NoReturn:
        """Drain the spool forever. Errors are logged, and the next round tries again."""
        while True:
            try:
                await self.drain()
            except (StorageUnavailable, SpoolUnavailable) as error:
                log.info("Could not drain the spool yet", error=error.id)
            except Exception as error:
                log.error("Could not drain the spool", error=type(error).__name__)
            await asyncio.sleep(self._every)

    async def drain(self) -> int:
        """Store every waiting entry, and return how many. Raises StorageUnavailable, SpoolUnavailable.

        An entry that cannot be read, or that the desk refuses permanently, is set aside and reported, and the next ones
        go on.
        """
        stored = 0
        for name in await self._spool.names():
            try:
                entry = await self._spool.read(name)
                if entry is None:
                    continue
                await self._store(entry)
            except (StorageUnavailable, SpoolUnavailable):
                raise
            except DeskError as error:
                log.error("Set a file in the spool aside", file=name, error=error.id)
                await self._spool.set_aside(name)
                continue
            await self._spool.remove(name)
            stored += 1
        if stored:
            log.info("Drained the spool", entries=stored)
        return stored

    async def _store(self, entry: SpoolEntry) -> None:
        try:
            store = self._stores[entry.kind]
        except KeyError:
            raise UnknownKind from None
        try:
            await store(entry)
        except (KeyError, TypeError, ValueError):  # data that this version does not understand
            raise DamagedEntry from None
