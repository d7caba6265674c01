"""What happens to callbacks, as it happens: history rows in id order, none left out, none twice.

See desk/history/feed_repository.py for why an id that is missing can't simply be passed over.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

from desk.access.permissions import EVERYTHING, Scope
from desk.database.engine import Database
from desk.database.errors import StorageUnavailable
from desk.database.unit_of_work import UnitsOfWork
from desk.history import feed_repository as rows
from desk.history.model import Change

POLL_SECONDS = 0.5
"""The guarantee: nothing that wakes us is trusted for longer than this."""
HELD_SECONDS = 0.05
"""How soon to look again while an unfinished unit of work holds rows back: its rollback wakes nobody."""
LISTEN_AGAIN_SECONDS = 5.0
MOST_AT_ONCE = 200

log = structlog.get_logger(__name__)


class Changes(UnitsOfWork):
    """The history of all callbacks, read from its end."""

    def __init__(self, *, database: Database) -> None:
        super().__init__(database)
        self._database = database

    async def between(self, after: int, upto: int, *, scope: Scope) -> list[Change]:
        """Changes of those departments with ids above `after`, up to and with `upto`; 200 at most, in order.

        `upto` must be a position a tail has reached: below it nothing more can appear.
        """
        return await self._read(
            lambda connection: rows.after(connection, after, upto=upto, scope=scope, limit=MOST_AT_ONCE)
        )

    @asynccontextmanager
    async def tail(self, *, poll_seconds: float = POLL_SECONDS, listen: bool = True) -> AsyncIterator["Tail"]:
        """A tail that stands at the end. Raises `StorageUnavailable`."""
        tail = Tail(self._database, poll_seconds=poll_seconds, listen=listen)
        async with tail.opened():
            yield tail


@dataclass
class _Gap:
    """Ids are missing up to `upto`; `waiting_for` are the units of work that may hold them."""

    upto: int
    waiting_for: frozenset[str]


class Tail(UnitsOfWork):
    """Follows the history. `position`: every row up to and with it has been given out or will never exist."""

    def __init__(self, database: Database, *, poll_seconds: float, listen: bool) -> None:
        super().__init__(database)
        self._database = database
        self._poll_seconds = poll_seconds
        self._listens = listen and database.dialect == "postgresql"
        self._woken = asyncio.Event()
        self._deaf = asyncio.Event()
        self._gap: _Gap | None = None
        self.position = 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Stand at the end, once all before it is settled, and be woken by what is written from now on."""
        async with AsyncExitStack() as stack:
            stack.enter_context(self._database.watched(self._woken.set))
            ears = asyncio.create_task(self._keep_listening()) if self._listens else None
            try:
                self.position = await self._settled_end()
                yield
            finally:
                if ears:
                    ears.cancel()
                    await asyncio.gather(ears, return_exceptions=True)

    async def next(self) -> list[Change]:
        """The changes settled since, in id order; an empty list when there are none. Raises `StorageUnavailable`.

        After an error just call it again: nothing is lost.
        """
        sure = self.position
        if self._gap:
            self._gap.waiting_for &= await self._read(rows.unfinished)
            sure = self.position if self._gap.waiting_for else self._gap.upto
        seen = await self._read(
            lambda connection: rows.after(connection, self.position, scope=EVERYTHING, limit=MOST_AT_ONCE)
        )
        ready = self._in_order(seen, sure)
        position = ready[-1].id if ready else self.position
        gap = self._gap if self._gap and position < self._gap.upto else None
        if gap is None and len(ready) < len(seen):
            # Asked after `seen` was read, so whoever drew a missing id either is among these or has ended by now.
            gap = _Gap(seen[-1].id, await self._read(rows.unfinished))
        self.position, self._gap = position, gap  # after the last thing that may fail
        return ready

    async def wait(self) -> None:
        """Until something was written, or may have been."""
        if self._gap and not self._gap.waiting_for:
            return
        seconds = min(HELD_SECONDS, self._poll_seconds) if self._gap else self._poll_seconds
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()

    def _in_order(self, seen: list[Change], sure: int) -> list[Change]:
        """The part of `seen` that leaves no open gap: in PostgreSQL, consecutive ids, or up to `sure`."""
        if self._database.dialect != "postgresql":
            return seen
        ready: list[Change] = []
        reached = self.position
        for change in seen:
            if change.id > max(sure, reached + 1):
                break
            ready.append(change)
            reached = change.id
        return ready

    async def _settled_end(self) -> int:
        """The newest id, when everybody who may hold a lower one has ended."""
        end = await self._read(rows.newest)
        waiting_for = await self._read(rows.unfinished)
        while waiting_for:
            await asyncio.sleep(HELD_SECONDS)
            waiting_for &= await self._read(rows.unfinished)
        return end

    async def _keep_listening(self) -> None:
        """Be told by PostgreSQL; while that fails, polling does."""
        while True:
            try:
                self._deaf.clear()
                async with rows.listening(self._database, self._woken.set, self._deaf.set):
                    self._woken.set()  # what was written before we heard
                    await self._deaf.wait()
            except StorageUnavailable:
                pass
            log.warning("not told of changes: polling", seconds=self._poll_seconds)
            await asyncio.sleep(LISTEN_AGAIN_SECONDS)
