"""Takes what callers said out of Asterisk's clear files and into the desk, sealed; then the file is deleted.

It happens beside the calls: when Asterisk says that a recording has ended, however the call went on; and for all there
are after each (re)connect and once a minute, so that no clear file outlives a crash, a lost event or a database that
was away. A recording for a callback that has one already, or that is gone, is deleted too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Final, NoReturn, Protocol

import structlog

from desk.access.actor import CALLER, Actor
from desk.callbacks.errors import CallbackNotFound
from desk.database.unit_of_work import Unit
from desk.errors import DeskError
from desk.recordings.sound import is_silent
from ivr.asterisk.errors import AriError
from ivr.asterisk.recordings import callback_of, name_of
from ivr.dialogue.recording import LONGEST_SECONDS, Fate

log = structlog.get_logger(__name__)

LOOK_EVERY: Final = 60.0
TOLD_WITHIN: Final = 5.0  # seconds a caller waits to hear what became of the recording
MOST_BYTES: Final = (LONGEST_SECONDS + 5) * 8000


class Kept(Protocol):
    """What is needed of `desk.recordings.Recordings`."""

    async def keep(self, by: Actor | Unit, /, callback_id: str, alaw: bytes) -> bool: ...


class ClearFiles(Protocol):
    """What is needed of `ivr.spool.Spool`."""

    async def names(self) -> list[str]: ...

    async def is_live(self, name: str) -> bool: ...

    async def read(self, name: str) -> bytes | None: ...

    async def delete(self, name: str) -> None: ...


class Intake:
    """One for each controller. Run `serve` beside the calls."""

    def __init__(self, *, spool: ClearFiles, recordings: Kept, look_every: float = LOOK_EVERY) -> None:
        self._spool = spool
        self._recordings = recordings
        self._look_every = look_every
        self._ended: set[str] = set()
        self._look = False
        self._woken = asyncio.Event()
        self._expected: dict[str, asyncio.Future[Fate]] = {}

    def ended(self, name: str) -> None:
        """Asterisk has ended the recording of that name. Never waits."""
        self._ended.add(name)
        self._woken.set()

    def reconnected(self) -> None:
        """Asterisk is there (again): look for all there are. Never waits."""
        self._look = True
        self._woken.set()

    def name_of(self, callback_id: str) -> str:
        """What the recording is to be called in Asterisk."""
        return name_of(callback_id)

    @contextmanager
    def expecting(self, callback_id: str) -> Iterator[Awaitable[Fate]]:
        """Inside, await what became of the callback's recording: told at once, or UNKNOWN after some seconds."""
        fate = self._expected[callback_id] = asyncio.get_running_loop().create_future()
        told = _within(fate, TOLD_WITHIN)
        try:
            yield told
        finally:
            told.close()
            self._expected.pop(callback_id, None)

    async def serve(self) -> NoReturn:
        """Take in whatever ends, for ever; errors are logged, and tried again at the next look."""
        while True:
            try:
                async with asyncio.timeout(self._look_every):
                    await self._woken.wait()
            except TimeoutError:
                self._look = True
            self._woken.clear()
            ended, self._ended = self._ended, set()
            for name in sorted(ended):
                await self._try(name)
            if self._look:
                self._look = False
                await self.sweep()

    async def sweep(self) -> None:
        """Take in all there are that nobody is recording any more."""
        try:
            names = [name for name in await self._spool.names() if not await self._spool.is_live(name)]
        except AriError as error:
            log.warning("Recordings could not be looked for", error=str(error))
            return
        except Exception as error:  # the next look may be luckier
            log.error("Recordings could not be looked for", error=type(error).__name__)
            return
        for name in names:
            await self._try(name)

    async def _try(self, name: str) -> None:
        callback_id = callback_of(name)
        fate = Fate.UNKNOWN
        try:
            fate = await self._take_in(name, callback_id)
            if fate is not Fate.UNKNOWN:
                await self._spool.delete(name)
        except AriError as error:
            log.warning("A recording could not be fetched or deleted yet", callback_id=callback_id, error=str(error))
        except Exception as error:  # one recording's trouble is not the next one's
            log.error("A recording could not be taken in", callback_id=callback_id, error=type(error).__name__)
        expected = self._expected.get(callback_id)
        if expected and not expected.done():
            expected.set_result(fate)

    async def _take_in(self, name: str, callback_id: str) -> Fate:
        """Store it sealed. UNKNOWN: it is to be tried again, and the file stays until then."""
        sound = await self._spool.read(name)
        if sound is None:
            return Fate.LOST
        if is_silent(sound):
            return Fate.EMPTY
        try:
            await self._recordings.keep(CALLER, callback_id, sound[:MOST_BYTES])
        except CallbackNotFound:
            log.error("A recording belongs to no callback, and is deleted", callback_id=callback_id)
            return Fate.LOST
        except DeskError as error:
            log.warning("A recording could not be stored yet", callback_id=callback_id, error=error.id)
            return Fate.UNKNOWN
        return Fate.KEPT


async def _within(fate: asyncio.Future[Fate], seconds: float) -> Fate:
    await asyncio.wait((fate,), timeout=seconds)
    return fate.result() if fate.done() else Fate.UNKNOWN
