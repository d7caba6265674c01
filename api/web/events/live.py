"""Changes to callbacks, told to every reader as they happen: one tail of the history for the process, fanned out.

Each reader has a buffer of its own; one that doesn't keep up is cut off, never waited for. Positions are history ids,
so a reader that was cut off, or whose process died, goes on from the last id it got, at any process.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, field
from enum import StrEnum

import structlog

from api.web.errors import TooManyReaders
from desk.access.permissions import Scope
from desk.database.errors import StorageUnavailable
from desk.history.feed import POLL_SECONDS, Changes, Tail
from desk.history.model import Change

BUFFER = 1000
"""Changes kept for a reader that doesn't read."""
MOST_READERS = 1000
RECHECK_SECONDS = 10.0
"""How often it is asked again who may read: whose access has ended or become narrower is told nothing after this."""
PAUSE_SECONDS = 0.01
"""Between looks at the history: many changes at once are told in few looks, and readers get their turn."""
TRY_AGAIN_SECONDS = 1.0

log = structlog.get_logger("api.live")


class Ending(StrEnum):
    """Why a stream ended from our side."""

    TOO_SLOW = "too_slow"
    ACCESS_ENDED = "access_ended"
    STOPPING = "stopping"
    FAILED = "failed"


@dataclass(eq=False)
class Reader:
    """One stream. `scope`: what it may see. `still`: asks whether it may; None is never asked again."""

    scope: Scope
    still: Callable[[], Awaitable[bool]] | None = None
    follows: bool = False
    """Whether it has caught up, and is to be offered what happens from now on."""
    changes: asyncio.Queue[Change] = field(default_factory=lambda: asyncio.Queue(BUFFER))
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    ending: Ending | None = None

    def offer(self, change: Change) -> None:
        """Never waits: a full buffer is the end of it."""
        if not self.follows or not self.scope.covers(change.department):
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
        """All that has come, as soon as something has; an empty list when nothing came in so many seconds."""
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
        self.readers: set[Reader] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._opened: asyncio.Future[None] | None = None
        self._stopping = False
        self.position = 0
        """Every change up to and with this id has been offered to the readers. Only once opened."""

    async def open(self) -> None:
        """Be ready for one more reader. Raises TooManyReaders, also while stopping, and StorageUnavailable."""
        if self._stopping or len(self.readers) >= MOST_READERS:
            raise TooManyReaders
        if self._opened is None:
            opened = self._opened = asyncio.get_running_loop().create_future()
            opened.add_done_callback(_seen)
            # In a context of their own: what they log is not part of the request that happened to come first.
            self._tasks = [
                asyncio.create_task(self._follow(opened), context=Context()),
                asyncio.create_task(self._recheck(), context=Context()),
            ]
        await asyncio.shield(self._opened)

    @contextmanager
    def reading(self, reader: Reader) -> Iterator[None]:
        """Inside the block `reader` is offered every change above `position`, once it follows; and may be ended."""
        self.readers.add(reader)
        if self._stopping:
            reader.end(Ending.STOPPING)
        try:
            yield
        finally:
            self.readers.discard(reader)

    def stop(self) -> None:
        """End every stream, now; none begins after this."""
        self._stopping = True
        self._end_all(Ending.STOPPING)

    async def close(self) -> None:
        """Stop, and give back what the tail holds."""
        self.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def _end_all(self, ending: Ending) -> None:
        for reader in self.readers:
            reader.end(ending)

    async def _follow(self, opened: asyncio.Future[None]) -> None:
        try:
            async with self.changes.tail(poll_seconds=self._poll_seconds) as tail:
                self.position = tail.position
                opened.set_result(None)
                while True:
                    await self._tell(tail)
        except StorageUnavailable:
            pass  # it could not even be opened: the next reader tries again
        except Exception as crash:
            log.error("live changes failed", error=type(crash).__name__)
        finally:
            self._opened = None
            if not opened.done():
                opened.set_exception(StorageUnavailable())
            self._tasks[1].cancel()
            self._end_all(Ending.FAILED)

    async def _tell(self, tail: Tail) -> None:
        """Offer what is new, wait for more. While the database is away the streams stay, and go on when it is back."""
        try:
            self._offer(await tail.next())
        except StorageUnavailable:
            log.warning("live readers wait for the database")
            await asyncio.sleep(TRY_AGAIN_SECONDS)
        await asyncio.sleep(PAUSE_SECONDS)
        await tail.wait()

    def _offer(self, changes: Sequence[Change]) -> None:
        """Without a break: whoever looks at `position` and then follows gets each change once."""
        for change in changes:
            for reader in self.readers:
                reader.offer(change)
            self.position = change.id

    async def _recheck(self) -> None:
        """Cut off whoever may no longer read. Asked all at once, so that their questions share statements."""
        while True:
            await asyncio.sleep(self._recheck_seconds)
            asked = [(reader, reader.still) for reader in self.readers if reader.still is not None]
            answers = await asyncio.gather(*(still() for _, still in asked), return_exceptions=True)
            for (reader, _), still in zip(asked, answers, strict=True):
                if isinstance(still, StorageUnavailable):
                    continue  # asked again soon; nothing can be told meanwhile anyway
                if isinstance(still, BaseException):  # one reader's trouble is not the others', and opens nothing
                    log.error("a live reader could not be asked about", error=type(still).__name__)
                if still is not True:
                    reader.end(Ending.ACCESS_ENDED)


def _seen(opened: asyncio.Future[None]) -> None:
    """An error nobody waited for any more is no news."""
    if not opened.cancelled():
        opened.exception()
