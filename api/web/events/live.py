"""Live changes to callbacks: one tail of the history per process, sent to every reader.

Each reader has its own buffer. A reader that does not keep up is cut off; nothing waits for it. Positions are history
ids, so a reader that was cut off, or whose process died, resumes after its last id, at any process.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import Context
from dataclasses import dataclass, field
from enum import StrEnum

import structlog

from api.web.errors import TooManyReaders, TooManyStreams
from desk.access.actor import Actor
from desk.database.errors import StorageUnavailable
from desk.history.feed import POLL_SECONDS, Changes, Tail
from desk.history.model import Change

BUFFER = 1000
"""Changes buffered for a reader that does not read."""
MOST_READERS = 1000
MOST_OF_ONE = 50
"""Streams that one log-in or token may have open in this process: one of them must not take the room of all."""
RECHECK_SECONDS = 10.0
"""How often each reader's access is checked again. A reader that lost access gets nothing after the next check."""
PAUSE_SECONDS = 0.01
"""Pause between reads of the history: bursts are read in few queries, and readers get their turn."""
RETRY_SECONDS = 1.0

log = structlog.get_logger("api.live")


class Ending(StrEnum):
    """Why the server ended a stream."""

    TOO_SLOW = "too_slow"
    ACCESS_ENDED = "access_ended"
    STOPPING = "stopping"
    FAILED = "failed"
    TOO_MANY = "too_many"


@dataclass(eq=False)
class EventReader:
    """One stream. The actor's scope limits what it sees; its trail records what it was sent.

    `still` checks its access again; None disables the check. `credential`: the name of the log-in or token behind it.
    """

    actor: Actor
    still: Callable[[], Awaitable[bool]] | None = None
    credential: str = ""
    follows: bool = False
    """Whether it has caught up and receives new changes."""
    changes: asyncio.Queue[Change] = field(default_factory=lambda: asyncio.Queue(BUFFER))
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    ending: Ending | None = None

    def offer(self, change: Change) -> None:
        """Buffer a change. Never waits: a full buffer ends the reader."""
        if not self.follows or not self.actor.scope.covers(change.department):
            return
        try:
            self.changes.put_nowait(change)
        except asyncio.QueueFull:
            self.end(Ending.TOO_SLOW)

    def end(self, ending: Ending) -> None:
        if self.ending is None:
            self.ending = ending
            self.ended.set()

    async def next(self, seconds: float) -> list[Change]:
        """Return all buffered changes as soon as there is one; an empty list after `seconds` without any."""
        try:
            async with asyncio.timeout(seconds):
                found = [await self.changes.get()]
        except TimeoutError:
            return []
        while not self.changes.empty():
            found.append(self.changes.get_nowait())
        return found


class Live:
    """All readers of this process. It follows the history from the first reader on, until closed."""

    def __init__(
        self, *, changes: Changes, poll_seconds: float = POLL_SECONDS, recheck_seconds: float = RECHECK_SECONDS
    ) -> None:
        self.changes = changes
        self._poll_seconds = poll_seconds
        self._recheck_seconds = recheck_seconds
        self.readers: set[EventReader] = set()
        self.most_of_one = MOST_OF_ONE
        self._tasks: list[asyncio.Task[None]] = []
        self._opened: asyncio.Future[None] | None = None
        self._stopping = False
        self._check_now = asyncio.Event()
        self.position = 0
        """The id of the last change offered to the readers. Valid once opened."""

    async def open(self, credential: str = "") -> None:
        """Prepare for another reader.

        Raises TooManyStreams when the credential has all it may have, TooManyReaders, also while stopping, and
        StorageUnavailable.
        """
        if self._stopping or len(self.readers) >= MOST_READERS:
            raise TooManyReaders
        if credential and self._of_one(credential) >= self.most_of_one:
            raise TooManyStreams
        if self._opened is None:
            opened = self._opened = asyncio.get_running_loop().create_future()
            opened.add_done_callback(_retrieve_exception)
            # In a context of their own: their log lines do not belong to the request that happened to come first.
            self._tasks = [
                asyncio.create_task(self._follow(opened), context=Context()),
                asyncio.create_task(self._recheck(), context=Context()),
            ]
        await asyncio.shield(self._opened)

    @contextmanager
    def reading(self, reader: EventReader) -> Iterator[None]:
        """Inside the block `reader` is offered every change after `position`, once it follows, and can be ended."""
        self.readers.add(reader)
        if reader.credential and self._of_one(reader.credential) > self.most_of_one:
            reader.end(Ending.TOO_MANY)  # many were opened at the same moment
        if self._stopping:
            reader.end(Ending.STOPPING)
        try:
            yield
        finally:
            self.readers.discard(reader)

    def check_access(self) -> None:
        """Check every reader's access now: someone has logged out. Other processes follow at their next check."""
        self._check_now.set()

    def stop(self) -> None:
        """End every stream now, and refuse new ones."""
        self._stopping = True
        self._end_all(Ending.STOPPING)

    async def close(self) -> None:
        """Stop, and release the tail."""
        self.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def _of_one(self, credential: str) -> int:
        return sum(reader.credential == credential for reader in self.readers)

    def _end_all(self, ending: Ending) -> None:
        for reader in self.readers:
            reader.end(ending)

    async def _follow(self, opened: asyncio.Future[None]) -> None:
        try:
            async with self.changes.tail(poll_seconds=self._poll_seconds) as tail:
                self.position = tail.position
                opened.set_result(None)
                while True:
                    await self._publish(tail)
        except StorageUnavailable:
            pass  # the tail could not be opened: the next reader tries again
        except Exception as crash:
            log.error("live changes failed", error=type(crash).__name__)
        finally:
            self._opened = None
            if not opened.done():
                opened.set_exception(StorageUnavailable())
            self._tasks[1].cancel()
            self._end_all(Ending.FAILED)

    async def _publish(self, tail: Tail) -> None:
        """Offer new changes, then wait for more. Streams stay open while the database is away."""
        try:
            self._offer(await tail.next())
        except StorageUnavailable:
            log.warning("live readers wait for the database")
            await asyncio.sleep(RETRY_SECONDS)
        await asyncio.sleep(PAUSE_SECONDS)
        await tail.wait()

    def _offer(self, changes: Sequence[Change]) -> None:
        """Never awaits: a reader that reads `position` and then follows gets each change exactly once."""
        for change in changes:
            for reader in self.readers:
                reader.offer(change)
            self.position = change.id

    async def _recheck(self) -> None:
        """End the readers that lost access. All are checked at once, so that their queries share statements."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._recheck_seconds):
                    await self._check_now.wait()
            self._check_now.clear()
            checked = [(reader, reader.still) for reader in self.readers if reader.still is not None]
            results = await asyncio.gather(*(still() for _, still in checked), return_exceptions=True)
            for (reader, _), result in zip(checked, results, strict=True):
                if isinstance(result, StorageUnavailable):
                    continue  # checked again soon; without the database nothing is sent anyway
                if isinstance(result, BaseException):  # an error grants no access, and concerns this reader only
                    log.error("access of a live reader could not be checked", error=type(result).__name__)
                if result is not True:
                    reader.end(Ending.ACCESS_ENDED)


def _retrieve_exception(opened: asyncio.Future[None]) -> None:
    """Keep asyncio from reporting an error that no reader waits for."""
    if not opened.cancelled():
        opened.exception()
