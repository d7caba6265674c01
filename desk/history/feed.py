"""What happens to inquiries, as it happens: history rows in id order, none skipped and none twice.

See desk/history/feed_repository.py for why a missing id can't simply be skipped.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

from desk.access.actor import SYSTEM, Actor
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.errors import StorageUnavailable
from desk.database.notify import HISTORY
from desk.database.unit_of_work import Service, Unit, reading
from desk.history import feed_repository as rows
from desk.history.model import Change

POLL_SECONDS = 0.5
"""How often the history is read even if nothing wakes us: no wake-up is trusted for longer than this."""
HELD_SECONDS = 0.05
"""How soon to read again while an unfinished unit of work holds rows back: its rollback wakes no one."""
LISTEN_AGAIN_SECONDS = 5.0
MAX_CHANGES = 200

log = structlog.get_logger(__name__)


class Changes(Service):
    """The history of all inquiries, read from its end."""

    @reading
    async def between(self, unit: Unit, after: int, upto: int) -> list[Change]:
        """Return changes of the actor's departments with ids above `after`, up to and including `upto`.

        At most 200, in order. `upto` must be a position that a tail has reached: below it nothing more can appear.
        """
        return await rows.after(unit, after, upto=upto, limit=MAX_CHANGES)

    async def settled_end(self, by: Actor) -> int:
        """Return the newest id, once every unit of work that may hold a lower one has ended. Raises
        StorageUnavailable.
        """
        end = await self._newest(by)
        waiting_for = await self._unfinished(by)
        while waiting_for:
            await asyncio.sleep(HELD_SECONDS)
            waiting_for &= await self._unfinished(by)
        return end

    @reading
    async def _newest(self, unit: Unit) -> int:
        return await rows.newest(unit)

    @reading
    async def _unfinished(self, unit: Unit) -> frozenset[str]:
        return await rows.unfinished(unit)

    @asynccontextmanager
    async def tail(self, *, poll_seconds: float = POLL_SECONDS, listen: bool = True) -> AsyncIterator["Tail"]:
        """Open a tail positioned at the end. Raises StorageUnavailable."""
        tail = Tail(self._database, self._clock, poll_seconds=poll_seconds, listen=listen)
        async with tail.opened():
            yield tail


@dataclass
class _MissingIds:
    """Ids up to `upto` are missing; `waiting_for` are the units of work that may hold them."""

    upto: int
    waiting_for: frozenset[str]


class Tail(Changes):
    """Follows the history. `position`: every row up to and including it has been returned or will never exist."""

    def __init__(self, database: Database, clock: Clock, *, poll_seconds: float, listen: bool) -> None:
        super().__init__(database=database, clock=clock)
        self._poll_seconds = poll_seconds
        self._listens = listen and database.dialect == "postgresql"
        self._changed = asyncio.Event()
        self._lost = asyncio.Event()
        self._gap: _MissingIds | None = None
        self.position = 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Start at the end, once every row before it is settled, and wake on what is written from now on."""
        async with AsyncExitStack() as stack:
            stack.enter_context(self._database.watched(HISTORY, self._changed.set))
            listener = asyncio.create_task(self._keep_listening()) if self._listens else None
            try:
                self.position = await self.settled_end(SYSTEM)
                yield
            finally:
                if listener:
                    listener.cancel()
                    await asyncio.gather(listener, return_exceptions=True)

    async def next(self) -> list[Change]:
        """Return the changes settled since the last call, in id order. Raises StorageUnavailable.

        After an error call it again: nothing is lost.
        """
        sure = self.position
        if self._gap:
            self._gap.waiting_for &= await self._unfinished(SYSTEM)
            sure = self.position if self._gap.waiting_for else self._gap.upto
        seen = await self._after(SYSTEM, self.position)
        ready = self._in_order(seen, sure)
        position = ready[-1].id if ready else self.position
        gap = self._gap if self._gap and position < self._gap.upto else None
        if gap is None and len(ready) < len(seen):
            # Read after `seen`, so a unit of work that drew a missing id either is among these or has ended by now.
            gap = _MissingIds(seen[-1].id, await self._unfinished(SYSTEM))
        self.position, self._gap = position, gap  # after everything that may fail
        return ready

    async def wait(self) -> None:
        """Wait until something has, or may have, been written."""
        if self._gap and not self._gap.waiting_for:
            return
        seconds = min(HELD_SECONDS, self._poll_seconds) if self._gap else self._poll_seconds
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass
        self._changed.clear()

    def _in_order(self, seen: list[Change], sure: int) -> list[Change]:
        """The part of `seen` that leaves no open gap: on PostgreSQL, consecutive ids, or up to `sure`."""
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

    async def _keep_listening(self) -> None:
        """Wake on each NOTIFY. While listening fails, polling does the work."""
        while True:
            try:
                self._lost.clear()
                async with rows.listening(self._database, HISTORY, self._changed.set, self._lost.set):
                    self._changed.set()  # for what was written before we listened
                    await self._lost.wait()
            except StorageUnavailable:
                pass
            log.warning("Not notified of changes: polling", seconds=self._poll_seconds)
            await asyncio.sleep(LISTEN_AGAIN_SECONDS)

    @reading
    async def _after(self, unit: Unit, position: int) -> list[Change]:
        return await rows.after(unit, position, limit=MAX_CHANGES)
