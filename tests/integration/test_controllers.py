"""One controller per Asterisk: its lease, its heartbeat and what it reports; on both engines."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from desk.access.actor import SYSTEM
from desk.controllers.controllers import Controllers
from desk.controllers.model import LEASE, Load
from desk.database.engine import Database
from ivr.calls.seat import Seat
from tests.support.fakes import FakeClock

IDLE = Load(calls=0, spooled=0, damaged=0)


@pytest.fixture
def controllers(database: Database, clock: FakeClock) -> Controllers:
    return Controllers(database=database, clock=clock)


async def test_one_of_many_controllers_gets_the_lease(controllers: Controllers) -> None:
    taken = await asyncio.gather(*(controllers.take(SYSTEM, "asterisk-1", f"seat-{n}/{n}", IDLE) for n in range(5)))
    assert sum(taken) == 1
    assert await controllers.take(SYSTEM, "asterisk-2", "seat-9/9", IDLE), "another Asterisk has its own"


async def test_lease_of_a_living_controller_stays_and_a_silent_one_loses_it(
    controllers: Controllers, clock: FakeClock
) -> None:
    assert await controllers.take(SYSTEM, "asterisk-1", "one/x", IDLE)
    for _ in range(5):
        clock.advance(LEASE - timedelta(seconds=1))
        assert await controllers.renew(SYSTEM, "asterisk-1", "one/x", Load(calls=7, spooled=2, damaged=1))
        assert not await controllers.take(SYSTEM, "asterisk-1", "two/y", IDLE)
    clock.advance(LEASE)
    assert await controllers.take(SYSTEM, "asterisk-1", "two/y", IDLE)
    assert not await controllers.renew(SYSTEM, "asterisk-1", "one/x", IDLE)
    [lease] = await controllers.all(SYSTEM)
    assert (lease.controller, lease.fence, lease.load) == ("two/y", 2, IDLE)


async def test_heartbeat_reports_calls_and_spool(controllers: Controllers, clock: FakeClock) -> None:
    await controllers.take(SYSTEM, "asterisk-1", "one/x", IDLE)
    clock.advance(timedelta(seconds=2))
    await controllers.renew(SYSTEM, "asterisk-1", "one/x", Load(calls=7, spooled=2, damaged=1))
    [lease] = await controllers.all(SYSTEM)
    assert (lease.load, lease.seen_at, lease.fence) == (Load(7, 2, 1), clock.now(), 1)


async def test_ended_lease_is_free_at_once(controllers: Controllers) -> None:
    await controllers.take(SYSTEM, "asterisk-1", "one/x", IDLE)
    await controllers.end(SYSTEM, "asterisk-1", "two/y")
    assert not await controllers.take(SYSTEM, "asterisk-1", "two/y", IDLE), "no one ends another's lease"
    await controllers.end(SYSTEM, "asterisk-1", "one/x")
    assert await controllers.take(SYSTEM, "asterisk-1", "two/y", IDLE)


async def test_successor_in_the_same_seat_does_not_wait(controllers: Controllers) -> None:
    await controllers.take(SYSTEM, "asterisk-1", "one/x", IDLE)
    assert await controllers.take(SYSTEM, "asterisk-1", "one/y", IDLE)
    assert not await controllers.renew(SYSTEM, "asterisk-1", "one/x", IDLE)


async def test_controller_that_has_moved_to_another_seat_does_not_wait(controllers: Controllers) -> None:
    await controllers.take(SYSTEM, "asterisk-1", "one/x", IDLE)
    assert await controllers.take(SYSTEM, "asterisk-1", "two/x", IDLE)
    assert not await controllers.take(SYSTEM, "asterisk-1", "one/y", IDLE)


async def test_serving_controllers_are_counted_until_their_lease_runs_out(
    controllers: Controllers, clock: FakeClock
) -> None:
    await controllers.take(SYSTEM, "asterisk-1", "one/x", IDLE)
    clock.advance(LEASE / 2)
    await controllers.take(SYSTEM, "asterisk-2", "two/y", IDLE)
    assert await controllers.serving(SYSTEM) == 2
    clock.advance(LEASE / 2)
    assert await controllers.serving(SYSTEM) == 1


async def test_write_probe_writes_again_and_again(controllers: Controllers) -> None:
    for _ in range(3):
        await controllers.probe(SYSTEM)


def test_seat_is_held_by_one_and_inherited_by_the_next(tmp_path: Path) -> None:
    first = Seat(tmp_path)
    second = Seat(tmp_path)
    assert first.name != second.name
    assert not second.take()
    first.leave()
    assert second.take() and second.name == first.name
    assert Seat(tmp_path).name != first.name


def test_seat_without_a_folder_has_a_name_of_its_own(tmp_path: Path) -> None:
    assert len({Seat(tmp_path / "none").name for _ in range(3)}) == 3
