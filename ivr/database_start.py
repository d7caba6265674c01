"""The phone door starts without its database: callers go to the spool until the database has been checked."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final, NoReturn

import structlog

from desk.clock import Clock
from desk.clock_check.clock_check import ClockCheck
from desk.database.engine import Database
from desk.database.errors import StorageUnavailable
from desk.schema.migrate import is_current, migrate
from desk.vault.vault import Vault
from desk.wire import check_keys
from ivr.asterisk.errors import IvrError

log = structlog.get_logger(__name__)

AGAIN_AFTER: Final = 1.0  # seconds
COMPARED_EVERY: Final = 60.0  # seconds


class TablesOutdated(IvrError):
    """The database schema does not match this version. Run: innringing migrate"""


class DatabaseStart:
    """Checks tables and keys before the database is used."""

    def __init__(
        self, database: Database, *, vault: Vault, clock: Clock, check: ClockCheck, embedded_url: str | None
    ) -> None:
        """`embedded_url`: the address of an embedded database, which is migrated. The operator migrates a server."""
        self._database = database
        self._vault = vault
        self._clock = clock
        self._clock_check = check
        self._embedded_url = embedded_url
        self._ready = asyncio.Event()

    @property
    def is_ready(self) -> bool:
        """Whether the database may be used."""
        return self._ready.is_set()

    async def serve(self) -> None:
        """Try until the database is checked. Raises TablesOutdated, SettingsError: such a database is never used."""
        waiting = False
        while not self.is_ready:
            try:
                await self._check()
            except StorageUnavailable as error:
                if not waiting:
                    log.warning("Waiting for the database", advice=error.advice or "see INNRINGING_DATABASE_URL")
                waiting = True
                await asyncio.sleep(AGAIN_AFTER)
            else:
                self._ready.set()
                if waiting:
                    log.info("The database answers")

    async def watch_clock(self) -> NoReturn:
        """Compare the clock with the database's again and again."""
        await self.wait()
        while True:
            await asyncio.sleep(COMPARED_EVERY)
            with suppress(StorageUnavailable):
                await self._clock_check.check()

    async def wait(self) -> None:
        """Wait until the database may be used."""
        await self._ready.wait()

    async def _migrate(self, url: str) -> None:
        """Migrate an embedded database, unless it has the newest tables: that takes memory for as long as we run."""
        with suppress(StorageUnavailable):  # such as a file, or its folder, that does not exist yet
            if await is_current(self._database):
                return
        await migrate(url)

    async def _check(self) -> None:
        if self._embedded_url:
            await self._migrate(self._embedded_url)
        elif not await is_current(self._database):
            raise TablesOutdated
        await check_keys(self._database, self._vault, self._clock)
        await self._clock_check.check()  # before the first lease, which is counted by the database's clock
