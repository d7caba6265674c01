"""Recordings are taken from Asterisk, sealed and deleted. Failures are retried, and nothing is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from desk.access.actor import Actor
from desk.callbacks.errors import CallbackNotFound
from desk.database.errors import StorageUnavailable
from desk.database.unit_of_work import Unit
from desk.errors import DeskError
from ivr.asterisk.errors import AriError, AriUnavailable
from ivr.calls.recording import RecordingOutcome
from ivr.calls.recording_intake import OUTCOME_WITHIN, RecordingIntake
from ivr.rehearsal.virtual_time import on_virtual_time

SPEECH, SILENCE = b"\x2a\xaa" * 8000, b"\xd5" * 8000
A, B = (str(UUID(int=n)) for n in (1, 2))
NAME, OTHER = f"innringing-{A}", f"innringing-{B}"


@dataclass
class FakeSpool:
    """Files by name. Requests in `failing` raise; files in `live` are still being recorded."""

    files: dict[str, bytes] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)
    failing: dict[str, Exception] = field(default_factory=dict)

    def name_of(self, callback_id: str) -> str:
        return f"innringing-{callback_id}"

    def callback_of(self, name: str) -> str:
        return name.removeprefix("innringing-")

    def _request(self, name: str) -> None:
        if name in self.failing:
            raise self.failing[name]

    async def names(self) -> list[str]:
        self._request("names")
        return list(self.files)

    async def is_live(self, name: str) -> bool:
        self._request("is_live")
        return name in self.live

    async def read(self, name: str) -> bytes | None:
        self._request("read")
        return self.files.get(name)

    async def delete(self, name: str) -> None:
        self._request("delete")
        self.files.pop(name, None)


@dataclass
class FakeRecordings:
    """Keeps sound by callback, or raises `failing`."""

    kept: dict[str, bytes] = field(default_factory=dict)
    failing: DeskError | None = None

    async def keep(self, by: Actor | Unit, /, callback_id: str, alaw: bytes) -> bool:
        if self.failing:
            raise self.failing
        return self.kept.setdefault(callback_id, alaw) is alaw


@asynccontextmanager
async def at_work(spool: FakeSpool, recordings: FakeRecordings) -> AsyncIterator[RecordingIntake]:
    intake = RecordingIntake(spool=spool, recordings=recordings)
    serving = asyncio.create_task(intake.serve())
    await asyncio.sleep(0)
    try:
        yield intake
        assert not serving.done()
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def fate_of(intake: RecordingIntake, spool: FakeSpool, name: str, sound: bytes | None) -> RecordingOutcome:
    """The outcome that the caller's dialogue gets when a recording ends with this sound in its file."""
    with intake.expecting(name.removeprefix("innringing-")) as fate:
        if sound is not None:
            spool.files[name] = sound
        intake.ended(name)
        return await fate


@on_virtual_time
async def test_recording_is_stored_and_its_file_deleted() -> None:
    spool, recordings = FakeSpool(), FakeRecordings()
    async with at_work(spool, recordings) as intake:
        assert await fate_of(intake, spool, NAME, SPEECH) is RecordingOutcome.STORED
    assert (recordings.kept, spool.files) == ({A: SPEECH}, {})


@on_virtual_time
async def test_silent_recording_is_empty_and_missing_one_is_lost() -> None:
    spool, recordings = FakeSpool(), FakeRecordings()
    async with at_work(spool, recordings) as intake:
        assert await fate_of(intake, spool, NAME, SILENCE) is RecordingOutcome.EMPTY
        assert await fate_of(intake, spool, NAME, None) is RecordingOutcome.LOST
    assert (recordings.kept, spool.files) == ({}, {})


@on_virtual_time
async def test_recording_of_a_caller_who_hung_up_is_stored() -> None:
    spool, recordings = FakeSpool({NAME: SPEECH}), FakeRecordings()
    async with at_work(spool, recordings) as intake:
        intake.ended(NAME)
        await asyncio.sleep(1)
    assert (recordings.kept, spool.files) == ({A: SPEECH}, {})


@pytest.mark.parametrize(
    ("request_", "error"),
    [("read", AriUnavailable()), ("read", AriError("HTTP 400")), ("read", ValueError()), ("delete", AriUnavailable())],
)
def test_failed_request_is_retried_within_a_minute(request_: str, error: Exception) -> None:
    @on_virtual_time
    async def again() -> None:
        spool, recordings = FakeSpool(failing={request_: error}), FakeRecordings()
        async with at_work(spool, recordings) as intake:
            told = await fate_of(intake, spool, NAME, SPEECH)
            assert told is (RecordingOutcome.STORED if request_ == "delete" else RecordingOutcome.UNKNOWN)
            assert spool.files
            spool.failing.clear()
            await asyncio.sleep(61)
        assert (recordings.kept, spool.files) == ({A: SPEECH}, {})

    again()


@on_virtual_time
async def test_file_stays_while_the_database_is_unavailable() -> None:
    spool, recordings = FakeSpool(), FakeRecordings(failing=StorageUnavailable())
    async with at_work(spool, recordings) as intake:
        assert await fate_of(intake, spool, NAME, SPEECH) is RecordingOutcome.UNKNOWN
        await asyncio.sleep(200)
        assert spool.files == {NAME: SPEECH}
        recordings.failing = None
        await asyncio.sleep(61)
    assert (recordings.kept, spool.files) == ({A: SPEECH}, {})


@on_virtual_time
async def test_recording_without_a_callback_is_deleted() -> None:
    spool, recordings = FakeSpool(), FakeRecordings(failing=CallbackNotFound())
    async with at_work(spool, recordings) as intake:
        assert await fate_of(intake, spool, NAME, SPEECH) is RecordingOutcome.LOST
    assert spool.files == {}


@on_virtual_time
async def test_missing_end_event_does_not_hold_the_caller() -> None:
    spool = FakeSpool({NAME: SPEECH})
    async with at_work(spool, FakeRecordings()) as intake:
        began = asyncio.get_running_loop().time()
        with intake.expecting(A) as fate:
            assert await fate is RecordingOutcome.UNKNOWN
        assert asyncio.get_running_loop().time() - began == OUTCOME_WITHIN
        await asyncio.sleep(61)
    assert spool.files == {}


@on_virtual_time
async def test_leftovers_are_stored_at_each_connection_except_live_ones() -> None:
    spool, recordings = FakeSpool({NAME: SPEECH, OTHER: SPEECH}, live={OTHER}), FakeRecordings()
    async with at_work(spool, recordings) as intake:
        intake.reconnected()
        await asyncio.sleep(1)
        assert (recordings.kept, spool.files) == ({A: SPEECH}, {OTHER: SPEECH})
        spool.failing["names"] = AriUnavailable()
        await asyncio.sleep(61)
        spool.failing = {"is_live": RuntimeError("whatever")}
        await asyncio.sleep(61)
        spool.failing.clear()
        spool.live.clear()
        await asyncio.sleep(61)
    assert spool.files == {}


@on_virtual_time
async def test_recording_is_cut_at_the_requested_length() -> None:
    spool, recordings = FakeSpool(), FakeRecordings()
    async with at_work(spool, recordings) as intake:
        assert await fate_of(intake, spool, NAME, SPEECH * 100) is RecordingOutcome.STORED
    assert len(recordings.kept[A]) == 65 * 8000
