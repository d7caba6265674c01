"""Closed queues and full rounds: the next one is promised, and never more than the capacity; on both engines."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from desk.access.permissions import EVERYTHING
from desk.callbacks.model import Registration
from desk.callbacks.queue import Desk
from desk.database.engine import Database
from desk.departments.departments import Departments
from desk.departments.errors import DepartmentNotFound
from desk.inquiries.model import ClosedReason
from desk.promises.model import DelayReason
from desk.vault.vault import Vault
from tests.support.desk.desk import DEPARTMENTS, KEYS, call, person, phone
from tests.support.fakes import FakeClock

HOUR = timedelta(hours=1)
TEN, THIRTEEN = datetime(2026, 11, 24, 9, tzinfo=UTC), datetime(2026, 11, 24, 12, tzinfo=UTC)  # rounds, in UTC
MIDNIGHT = datetime(2026, 11, 24, 23, tzinfo=UTC)


def narrow(database: Database, clock: FakeClock, capacity: int) -> Desk:
    departments = Departments(replace(each, capacity=capacity) for each in DEPARTMENTS.all())
    return Desk(database=database, departments=lambda: departments, vault=Vault(**KEYS), clock=clock)


async def rings(desk: Desk, n: int, department: str = "hjerte") -> Registration:
    return await desk.register(call(n), department, person(n), phone(n))


async def test_full_round_promises_the_next_and_says_so(database: Database, clock: FakeClock) -> None:
    desk = narrow(database, clock, 2)
    told = [await rings(desk, n) for n in range(1, 6)]
    assert [each.callback.promise.by for each in told] == [TEN, TEN, THIRTEEN, THIRTEEN, TEN + 24 * HOUR]
    assert [each.later for each in told] == [
        None,
        None,
        DelayReason.QUEUE_FULL,
        DelayReason.QUEUE_FULL,
        DelayReason.QUEUE_FULL,
    ]
    assert told[2].callback.promise_spoken == "i dag klokken 13"


async def test_full_day_promises_the_next_under_a_deadline(database: Database, clock: FakeClock) -> None:
    desk = narrow(database, clock, 1)
    told = [await rings(desk, n, "kirurgi") for n in (1, 2, 3)]
    days = [each.callback.promise.by.day for each in told]
    assert days == [24, 25, 26]
    assert told[1].callback.promise_spoken == "i morgen innen klokken 15"


async def test_cancelled_place_is_free_again_and_a_used_one_is_not(database: Database, clock: FakeClock) -> None:
    desk = narrow(database, clock, 2)
    first, second = [await rings(desk, n) for n in (1, 2)]
    await desk.close(first.callback.id, "kari", ClosedReason.REACHED, fence=None, scope=EVERYTHING)
    assert (await rings(desk, 3)).later is DelayReason.QUEUE_FULL
    await desk.close(second.callback.id, "kari", ClosedReason.CANCELLED_BY_CALLER, fence=None, scope=EVERYTHING)
    assert (await rings(desk, 4)).callback.promise.by == TEN


async def test_repeat_call_takes_no_second_place(database: Database, clock: FakeClock) -> None:
    desk = narrow(database, clock, 2)
    await rings(desk, 1)
    again = await desk.register(call(9), "hjerte", person(1), phone(1))
    assert (again.created, again.later) == (False, None)
    assert (await rings(desk, 2)).callback.promise.by == TEN


async def test_two_desks_at_once_never_overbook_a_round(database: Database, clock: FakeClock) -> None:
    other = Database(str(database.engine.url), pool_size=4)
    desks = [narrow(database, clock, 3), narrow(other, clock, 3)]
    try:
        told = await asyncio.gather(*(rings(desks[n % 2], n) for n in range(1, 9)))
    finally:
        await other.close()
    by = sorted(each.callback.promise.by for each in told)
    assert by == [TEN] * 3 + [THIRTEEN] * 3 + [TEN + 24 * HOUR] * 2


async def test_closed_queue_promises_the_next_workday_with_the_reason(desk: Desk, clock: FakeClock) -> None:
    now = clock.now()
    before = await rings(desk, 1)
    await desk.close_queue(
        "hjerte", "lise", from_=now, until=MIDNIGHT, text=DelayReason.CLOSED_ILLNESS, scope=EVERYTHING
    )
    told = await rings(desk, 2)
    assert (told.later, told.callback.promise.by) == (DelayReason.CLOSED_ILLNESS, TEN + 24 * HOUR)
    assert told.callback.promise_spoken == "i morgen klokken 10"
    assert (await desk.get(before.callback.id, scope=EVERYTHING)).promise.by == TEN  # earlier promises remain
    assert (await rings(desk, 3, "kirurgi")).later is None  # another department is not closed
    clock.set(MIDNIGHT + 8 * HOUR)
    assert (await rings(desk, 4)).later is None


async def test_shorter_closure_replaces_a_longer_one(desk: Desk, clock: FakeClock) -> None:
    now = clock.now()
    await desk.close_queue("hjerte", "lise", from_=now, until=MIDNIGHT, scope=EVERYTHING)
    await desk.close_queue("hjerte", "lise", from_=now, until=now + timedelta(minutes=1), scope=EVERYTHING)
    clock.advance(timedelta(minutes=2))
    assert (await rings(desk, 1)).later is None


async def test_round_within_a_future_closure_is_not_promised(desk: Desk, clock: FakeClock) -> None:
    await desk.close_queue("hjerte", "lise", from_=TEN, until=TEN + HOUR, scope=EVERYTHING)
    told = await rings(desk, 1)
    assert (told.later, told.callback.promise.by) == (None, THIRTEEN)


async def test_closing_an_unknown_department_is_refused(desk: Desk, clock: FakeClock) -> None:
    with pytest.raises(DepartmentNotFound):
        await desk.close_queue("nowhere", "lise", from_=clock.now(), until=MIDNIGHT, scope=EVERYTHING)
