"""Callers' recordings: sealed in the database, recorded in the history when heard, deleted with the callback's data."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from desk.access.actor import CALLER, SYSTEM, Actor
from desk.access.permissions import EVERYTHING
from desk.callbacks.errors import CallbackNotFound
from desk.callbacks.services import CallbackServices
from desk.database.engine import Database
from desk.ids import CallbackId, InquiryId
from desk.recordings import repository as rows
from desk.recordings.errors import RecordingNotFound
from desk.recordings.recordings import Recordings
from desk.recordings.sound import as_wav, is_silent
from desk.schema.tables import recordings
from desk.vault.errors import CannotOpen
from desk.vault.vault import Vault
from tests.support.desk.desk import KEYS, call, person, phone
from tests.support.desk.units import a_unit
from tests.support.fakes import FakeClock

SPEECH = bytes(range(256)) * 40
KARI = Actor("kari", EVERYTHING)
NOBODY = CallbackId(InquiryId("00000000-0000-0000-0000-000000000000"))


@pytest.fixture
def kept(database: Database, clock: FakeClock) -> Recordings:
    return Recordings(database=database, vault=Vault(**KEYS), clock=clock)


async def registered(desk: CallbackServices, n: int = 1) -> CallbackId:
    return (await desk.registration.register(CALLER, call(n), "kirurgi", person(n), phone(n))).callback.id


async def test_storing_and_hearing_each_leave_a_history_row(desk: CallbackServices, kept: Recordings) -> None:
    id = await registered(desk)
    before = await desk.lists.get(SYSTEM, id)
    assert await kept.keep(CALLER, id, SPEECH)
    assert await kept.hear(KARI, id) == as_wav(SPEECH)
    after = await desk.lists.get(SYSTEM, id)
    assert after == replace(before, has_recording=True, version=before.version + 1)
    rows = [(row.event, row.actor, dict(row.details)) for row in await desk.lists.history(SYSTEM, id)]
    assert rows[1:] == [("recorded", "caller", {"seconds": 1}), ("recording_heard", "kari", {})]


async def test_recording_stored_twice_is_kept_once(desk: CallbackServices, kept: Recordings) -> None:
    id = await registered(desk)
    assert [await kept.keep(CALLER, id, SPEECH), await kept.keep(CALLER, id, SPEECH[::-1])] == [True, False]
    assert await kept.hear(KARI, id) == as_wav(SPEECH)
    other = await registered(desk, 2)
    at_once = await asyncio.gather(*(kept.keep(CALLER, other, SPEECH) for _ in range(4)))
    assert sorted(at_once) == [False, False, False, True]


async def test_stored_recording_is_not_in_clear(desk: CallbackServices, kept: Recordings, database: Database) -> None:
    id, other = await registered(desk), await registered(desk, 2)
    await kept.keep(CALLER, id, SPEECH)
    await kept.keep(CALLER, other, SPEECH)
    async with database.read() as connection:
        rows = (await connection.execute(select(recordings))).all()
    assert all(SPEECH[:64] not in bytes(row.sound) and len(row.sound) == len(SPEECH) + 28 for row in rows)
    assert len({bytes(row.sound) for row in rows}) == len({bytes(row.key) for row in rows}) == 2


async def test_moved_or_changed_recording_does_not_open(
    desk: CallbackServices, kept: Recordings, database: Database
) -> None:
    id, other = await registered(desk), await registered(desk, 2)
    await kept.keep(CALLER, id, SPEECH)
    await kept.keep(CALLER, other, SPEECH)
    r = recordings.c
    async with database.begin() as connection:
        mine = (await connection.execute(select(recordings).where(r.callback_id == id))).one()
        await connection.execute(update(recordings).where(r.callback_id == other).values(key=mine.key))
    with pytest.raises(CannotOpen):
        await kept.hear(KARI, other)
    async with database.begin() as connection:
        changed = bytes(mine.sound[:-1]) + bytes([mine.sound[-1] ^ 1])
        await connection.execute(update(recordings).where(r.callback_id == id).values(sound=changed))
    with pytest.raises(CannotOpen):
        await kept.hear(KARI, id)
    assert [row.event for row in await desk.lists.history(SYSTEM, id)][-1] == "recorded"  # no one heard it


async def test_recording_is_deleted_with_the_callbacks_data(
    desk: CallbackServices, database: Database, kept: Recordings
) -> None:
    id, other = await registered(desk), await registered(desk, 2)
    await kept.keep(CALLER, id, SPEECH)
    await kept.keep(CALLER, other, SPEECH)
    async with a_unit(database) as unit:
        assert await rows.remove(unit, [id, NOBODY]) == 1
        assert await rows.remove(unit, []) == 0
    with pytest.raises(RecordingNotFound):
        await kept.hear(KARI, id)
    assert [(await desk.lists.get(SYSTEM, each)).has_recording for each in (id, other)] == [False, True]


async def test_deletion_is_part_of_a_larger_unit_of_work(
    desk: CallbackServices, database: Database, kept: Recordings
) -> None:
    id = await registered(desk)
    await kept.keep(CALLER, id, SPEECH)

    with pytest.raises(RecordingNotFound):
        async with a_unit(database) as unit:
            await rows.remove(unit, [id])
            raise RecordingNotFound  # another part failed
    assert await kept.hear(KARI, id)


async def test_recording_without_a_callback_is_refused(kept: Recordings, desk: CallbackServices) -> None:
    with pytest.raises(CallbackNotFound):
        await kept.keep(CALLER, NOBODY, SPEECH)
    with pytest.raises(CallbackNotFound):
        await kept.hear(KARI, NOBODY)
    with pytest.raises(RecordingNotFound):
        await kept.hear(KARI, await registered(desk))


def test_silence_is_distinguished_from_speech() -> None:
    quiet, click = b"\xd5" * 8000, b"\xd5" * 4000 + b"\x2a" * 80 + b"\xd5" * 4000
    assert is_silent(b"") and is_silent(quiet) and is_silent(click)
    assert not is_silent(quiet + b"\x95\x15" * 2000)
