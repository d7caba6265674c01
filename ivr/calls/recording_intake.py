"""Move callers' recordings from Asterisk's unencrypted files into the desk, sealed, and delete the files.

This runs next to the calls, when Asterisk reports the end of a recording. After each (re)connect and once a minute it
handles all recordings that exist, so that no unencrypted file outlives a crash, a lost event or a database outage. A
recording for a callback that already has one, or that no longer exists, is deleted too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Final, NoReturn, Protocol

import structlog

from desk.access.actor import CALLER, Actor
from desk.callbacks import model
from desk.callbacks.errors import CallbackNotFound
from desk.database.unit_of_work import Unit
from desk.errors import DeskError
from desk.ids import CallbackId
from desk.recordings.sound import is_silent
from ivr.asterisk.errors import AriError
from ivr.calls.recording import LONGEST_SECONDS, RecordingOutcome

log = structlog.get_logger(__name__)

SWEEP_EVERY: Final = 60.0  # seconds
OUTCOME_WITHIN: Final = 5.0  # seconds a caller waits for the outcome of a recording
MOST_BYTES: Final = (LONGEST_SECONDS + 5) * 8000


class RecordingStore(Protocol):
    """The part of `desk.recordings.recordings.Recordings` used here."""

    async def keep(self, by: Actor | Unit, /, callback_id: CallbackId, alaw: bytes) -> bool: ...


class RecordingSpool(Protocol):
    """The part of `ivr.asterisk.recordings.AsteriskRecordings` used here."""

    def name_of(self, callback_id: str) -> str: ...

    def callback_of(self, name: str) -> str: ...

    async def names(self) -> list[str]: ...

    async def is_live(self, name: str) -> bool: ...

    async def read(self, name: str) -> bytes | None: ...

    async def delete(self, name: str) -> None: ...


class RecordingIntake:
    """Stores recordings as they end. Run `serve` next to the calls, once per controller."""

    def __init__(self, *, spool: RecordingSpool, recordings: RecordingStore, sweep_every: float = SWEEP_EVERY) -> None:
        self._spool = spool
        self._recordings = recordings
        self._sweep_every = sweep_every
        self._ended: set[str] = set()
        self._must_sweep = False
        self._woken = asyncio.Event()
        self._expected: dict[str, asyncio.Future[RecordingOutcome]] = {}

    def ended(self, name: str) -> None:
        """Queue the recording of this name, which has ended. Never blocks."""
        self._ended.add(name)
        self._woken.set()

    def reconnected(self) -> None:
        """Queue a sweep of all recordings, since Asterisk is connected again. Never blocks."""
        self._must_sweep = True
        self._woken.set()

    def name_of(self, callback_id: str) -> str:
        """Return the name the recording must have in Asterisk."""
        return self._spool.name_of(callback_id)

    @contextmanager
    def expecting(self, callback_id: str) -> Iterator[Awaitable[RecordingOutcome]]:
        """Yield an awaitable of the outcome of the callback's recording. It is UNKNOWN after OUTCOME_WITHIN seconds."""
        expected = self._expected[callback_id] = asyncio.get_running_loop().create_future()
        outcome = _within(expected, OUTCOME_WITHIN)
        try:
            yield outcome
        finally:
            outcome.close()
            self._expected.pop(callback_id, None)

    async def serve(self) -> NoReturn:
        """Store recordings as they end, forever. Errors are logged, and the next sweep tries again."""
        while True:
            try:
                async with asyncio.timeout(self._sweep_every):
                    await self._woken.wait()
            except TimeoutError:
                self._must_sweep = True
            self._woken.clear()
            ended, self._ended = self._ended, set()
            for name in sorted(ended):
                await self._try(name)
            if self._must_sweep:
                self._must_sweep = False
                await self.sweep()

    async def sweep(self) -> None:
        """Store all recordings that are no longer in progress."""
        try:
            names = [name for name in await self._spool.names() if not await self._spool.is_live(name)]
        except AriError as error:
            log.warning("Could not list recordings", error=str(error))
            return
        except Exception as error:  # the next sweep tries again
            log.error("Could not list recordings", error=type(error).__name__)
            return
        for name in names:
            await self._try(name)

    async def _try(self, name: str) -> None:
        callback_id = self._spool.callback_of(name)
        outcome = RecordingOutcome.UNKNOWN
        try:
            outcome = await self._store(name, callback_id)
            if outcome is not RecordingOutcome.UNKNOWN:
                await self._spool.delete(name)
        except AriError as error:
            log.warning("Could not fetch or delete a recording yet", callback_id=callback_id, error=str(error))
        except Exception as error:  # must not affect the next recording
            log.error("Could not store a recording", callback_id=callback_id, error=type(error).__name__)
        expected = self._expected.get(callback_id)
        if expected and not expected.done():
            expected.set_result(outcome)

    async def _store(self, name: str, callback_id: str) -> RecordingOutcome:
        """Store the recording, sealed. UNKNOWN means that it must be tried again and its file must stay."""
        sound = await self._spool.read(name)
        if sound is None:
            return RecordingOutcome.LOST
        if is_silent(sound):
            return RecordingOutcome.EMPTY
        try:
            await self._recordings.keep(CALLER, model.callback_id(callback_id), sound[:MOST_BYTES])
        except CallbackNotFound:
            log.error("Deleting a recording without a callback", callback_id=callback_id)
            return RecordingOutcome.LOST
        except DeskError as error:
            log.warning("Could not store a recording yet", callback_id=callback_id, error=error.id)
            return RecordingOutcome.UNKNOWN
        return RecordingOutcome.STORED


async def _within(expected: asyncio.Future[RecordingOutcome], seconds: float) -> RecordingOutcome:
    await asyncio.wait((expected,), timeout=seconds)
    return expected.result() if expected.done() else RecordingOutcome.UNKNOWN
