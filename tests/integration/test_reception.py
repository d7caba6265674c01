"""Calls reach the desk while the database is locked: the spool counts, and nothing is lost or doubled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from desk.access.actor import CALLER, SYSTEM
from desk.callbacks.model import CallKey, IncompleteStep, WhyEnded
from desk.callbacks.reception import Reception
from desk.callbacks.services import CallbackServices
from desk.database.engine import Database
from desk.database.errors import StorageUnavailable
from desk.inquiries.model import Status
from desk.spool.drainer import Drainer
from desk.spool.errors import SpoolUnavailable
from desk.spool.spool import Spool
from desk.vault.vault import Vault
from tests.support.desk.desk import KEYS, as_agent, call, make_reception, person, phone
from tests.support.desk.rows import count
from tests.support.fakes import FakeClock

SECONDS = 0.3


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", vault=Vault(**KEYS))


@pytest.fixture
def reception(desk: CallbackServices, spool: Spool, clock: FakeClock) -> Reception:
    return make_reception(desk, spool, clock, seconds=SECONDS)


@pytest.fixture
def drainer(desk: CallbackServices, spool: Spool) -> Drainer:
    return Drainer(spool, desk.spooled_calls.stores())


@asynccontextmanager
async def locked(url: str) -> AsyncIterator[None]:
    """Hold the database so that no one else can write calls."""
    other = Database(url)
    try:
        async with other.begin() as connection:
            if other.dialect == "postgresql":
                await connection.execute(text("lock table calls in access exclusive mode"))
            yield
    finally:
        await other.close()


async def waiting(desk: CallbackServices) -> list[str]:
    return [each.id for each in (await desk.lists.page(SYSTEM)).items if each.status is Status.WAITING]


async def test_caller_is_spooled_within_the_deadline_and_stored_later_as_heard(
    reception: Reception, desk: CallbackServices, spool: Spool, drainer: Drainer, clock: FakeClock, migrated_url: str
) -> None:
    async with locked(migrated_url):
        assert await reception.rang_again(CALLER, call(1), "kirurgi", person(1), phone(1)) is None
        result = await reception.register(CALLER, call(1), "kirurgi", person(1), phone(1), language="en")
        at = clock.now()
    assert (result.created, result.spooled) == (True, True)
    clock.advance(timedelta(hours=7))  # after the cutoff: a promise made now would be another
    assert await drainer.drain() == 1
    [callback] = (await desk.lists.page(SYSTEM)).items
    assert (callback.promise, callback.promise_spoken) == (result.callback.promise, result.callback.promise_spoken)
    assert (callback.created_at, callback.language, callback.phone) == (at, "en", phone(1))
    assert callback.patient_masked == person(1).masked
    assert await spool.names() == []
    [recorded] = (await desk.lists.calls(as_agent("reader"), incomplete=False)).items
    assert (recorded.callback_id, recorded.at) == (callback.id, at)


async def test_doubt_about_a_spooled_caller_follows_into_the_database(
    reception: Reception, desk: CallbackServices, drainer: Drainer, migrated_url: str
) -> None:
    slip = replace(person(2), doubtful=True)
    async with locked(migrated_url):
        await reception.register(CALLER, call(1), "kirurgi", person(1), phone(1))
        await reception.doubt_identity(CALLER, call(1))
        await reception.register(CALLER, call(2), "kirurgi", slip, phone(2))
        await reception.register(CALLER, call(3), "kirurgi", person(3), phone(3))
    assert await drainer.drain() == 4
    found = {each.phone: each.identity_doubtful for each in (await desk.lists.page(SYSTEM)).items}
    assert found == {phone(1): True, phone(2): True, phone(3): False}


async def test_many_callers_wait_for_one_deadline_and_not_for_each_other(
    reception: Reception, desk: CallbackServices, drainer: Drainer, migrated_url: str
) -> None:
    async with locked(migrated_url):
        results = await asyncio.gather(
            *(reception.register(CALLER, call(n), "kirurgi", person(n), phone(n)) for n in range(1, 31))
        )
    assert all(result.spooled for result in results)
    assert await drainer.drain() == 30
    assert len(await waiting(desk)) == 30


async def test_entry_that_is_drained_twice_is_stored_once(
    reception: Reception, desk: CallbackServices, spool: Spool, drainer: Drainer, migrated_url: str, database: Database
) -> None:
    async with locked(migrated_url):
        await reception.register(CALLER, call(1), "kirurgi", person(1), phone(1))
    [name] = await spool.names()
    entry = await spool.read(name)
    assert entry is not None
    await spool.add(entry.kind, entry.at, entry.data)
    assert await drainer.drain() == 2
    [callback] = (await desk.lists.page(SYSTEM)).items
    assert callback.call_count == 1
    assert await count(database, "calls") == 1


async def test_late_database_and_spool_together_make_one_callback(
    reception: Reception, desk: CallbackServices, drainer: Drainer, spool: Spool, migrated_url: str
) -> None:
    async with locked(migrated_url):
        await reception.register(CALLER, call(1), "kirurgi", person(1), phone(1))
    await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))
    await drainer.drain()
    [callback] = (await desk.lists.page(SYSTEM)).items
    assert callback.call_count == 1


async def test_unit_of_work_that_gets_the_database_too_late_commits_nothing(
    reception: Reception, desk: CallbackServices, migrated_url: str, database: Database
) -> None:
    async with locked(migrated_url):
        await reception.register(CALLER, call(1), "kirurgi", person(1), phone(1))
    await desk.registration.record_arrival(CALLER, call(2), "kirurgi", phone=None)  # queues behind what is left
    await asyncio.sleep(0.2)
    assert await count(database, "callbacks") == 0


async def test_spooled_caller_who_had_an_open_callback_joins_it_and_keeps_the_earlier_promise(
    reception: Reception, desk: CallbackServices, drainer: Drainer, clock: FakeClock, migrated_url: str
) -> None:
    first = (await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))).callback
    clock.advance(timedelta(hours=5, minutes=30))  # past the cutoff: the spool promises tomorrow
    async with locked(migrated_url):
        heard = await reception.register(CALLER, call(2), "kirurgi", person(1), phone(2))
    assert heard.callback.promise.by > first.promise.by
    await drainer.drain()
    [callback] = (await desk.lists.page(SYSTEM)).items
    assert (callback.id, callback.call_count) == (first.id, 2)
    assert (callback.phone, callback.added_phone) == (phone(1), phone(2).e164), "another phone's number is added"
    assert callback.promise == first.promise


async def test_promise_heard_from_the_spool_stands_where_the_open_one_was_later(
    reception: Reception, desk: CallbackServices, drainer: Drainer, clock: FakeClock, migrated_url: str
) -> None:
    first = (await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))).callback
    await desk.edits.promise_again(
        as_agent("kari"), first.id, by=first.promise.by + timedelta(days=1), fence=None, sms=False
    )
    async with locked(migrated_url):
        heard = await reception.register(CALLER, call(2), "kirurgi", person(1), phone(1))
    await drainer.drain()
    [callback] = (await desk.lists.page(SYSTEM)).items
    assert (callback.id, callback.promise) == (first.id, heard.callback.promise)


async def test_arrivals_and_refused_callers_leave_a_row_with_their_own_time(
    reception: Reception, desk: CallbackServices, drainer: Drainer, clock: FakeClock, migrated_url: str
) -> None:
    async with locked(migrated_url):
        at = clock.now()
        await reception.record_arrival(CALLER, call(1), "kirurgi", phone=phone(1))
        clock.advance(timedelta(seconds=30))
        await reception.record_call(
            CALLER, call(1), "kirurgi", phone=phone(1), step=IncompleteStep.CONFIRMATION, why=WhyEnded.TROUBLE
        )
    clock.advance(timedelta(hours=1))
    assert await drainer.drain() == 2
    [kept] = (await desk.lists.calls(as_agent("reader"), incomplete=True)).items
    assert (kept.key, kept.phone, kept.why, kept.at) == (call(1), phone(1), WhyEnded.TROUBLE, at)


async def test_database_that_is_not_checked_yet_is_not_used(
    desk: CallbackServices, spool: Spool, clock: FakeClock, database: Database
) -> None:
    reception = make_reception(desk, spool, clock, is_ready=lambda: False)
    assert (await reception.register(CALLER, call(1), "kirurgi", None, phone(1))).spooled
    assert await count(database, "callbacks") == 0
    with pytest.raises(StorageUnavailable):
        await reception.cancel(CALLER, CallKey("asterisk-1", "channel-1"))


async def test_caller_is_refused_where_neither_database_nor_spool_can_be_written(
    desk: CallbackServices, clock: FakeClock, tmp_path: Path, migrated_url: str
) -> None:
    (tmp_path / "file").write_text("in the way", "utf-8")
    spool = Spool(tmp_path / "file" / "spool", vault=Vault(**KEYS))
    reception = make_reception(desk, spool, clock, seconds=SECONDS)
    async with locked(migrated_url):
        with pytest.raises(SpoolUnavailable):
            await reception.register(CALLER, call(1), "kirurgi", person(1), phone(1))


async def test_what_a_recovered_call_has_stored_is_found_in_the_database_and_in_the_spool(
    reception: Reception, desk: CallbackServices, migrated_url: str
) -> None:
    await reception.register(CALLER, call(1), "kirurgi", person(1), phone(1))
    async with locked(migrated_url):
        heard = await reception.register(CALLER, call(2), "kirurgi", person(2), phone(2), language="en")
        found = await reception.find_registration(CALLER, call(2))
        assert found is not None and found.spooled
        assert (found.callback.promise, found.callback.language) == (heard.callback.promise, "en")
        assert await reception.find_registration(CALLER, call(3)) is None
    stored = await reception.find_registration(CALLER, call(1))
    assert stored is not None and stored.callback.phone == phone(1)
