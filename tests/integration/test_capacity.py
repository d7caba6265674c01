"""Closed queues and full rounds: the next one is promised, and never more than the capacity; on both engines."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from desk.access.actor import CALLER, SYSTEM
from desk.callbacks.model import RegistrationResult
from desk.callbacks.services import CallbackServices, callback_services
from desk.database.engine import Database
from desk.departments.departments import Departments
from desk.departments.errors import DepartmentNotFound
from desk.inquiries.model import ClosedReason
from desk.promises.model import DelayReason
from desk.vault.vault import Vault
from tests.support.desk.desk import DEPARTMENTS, KEYS, as_agent, call, person, phone
from tests.support.fakes import FakeClock

HOUR = timedelta(hours=1)
TEN, THIRTEEN = datetime(2026, 11, 24, 9, tzinfo=UTC), datetime(2026, 11, 24, 12, tzinfo=UTC)  # rounds, in UTC
MIDNIGHT = datetime(2026, 11, 24, 23, tzinfo=UTC)


def narrow(database: Database, clock: FakeClock, capacity: int) -> CallbackServices:
    departments = Departments(replace(each, capacity=capacity) for each in DEPARTMENTS.all())
    return callback_services(database=database, departments=lambda: departments, vault=Vault(**KEYS), clock=clock)


async def rings(desk: CallbackServices, n: int, department: str = "hjerte") -> RegistrationResult:
    return await desk.registration.register(CALLER, call(n), department, person(n), phone(n))


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
    await desk.outcomes.close(as_agent("kari"), first.callback.id, ClosedReason.REACHED, fence=None)
    assert (await rings(desk, 3)).later is DelayReason.QUEUE_FULL
    await desk.outcomes.close(as_agent("kari"), second.callback.id, ClosedReason.CANCELLED_BY_CALLER, fence=None)
    assert (await rings(desk, 4)).callback.promise.by == TEN


async def test_repeat_call_takes_no_second_place(database: Database, clock: FakeClock) -> None:
    desk = narrow(database, clock, 2)
    await rings(desk, 1)
    again = await desk.registration.register(CALLER, call(9), "hjerte", person(1), phone(1))
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


async def test_closed_queue_promises_the_next_workday_with_the_reason(desk: CallbackServices, clock: FakeClock) -> None:
    now = clock.now()
    before = await rings(desk, 1)
    await desk.closures.close_queue(
        as_agent("lise"), "hjerte", from_=now, until=MIDNIGHT, text=DelayReason.CLOSED_ILLNESS
    )
    told = await rings(desk, 2)
    assert (told.later, told.callback.promise.by) == (DelayReason.CLOSED_ILLNESS, TEN + 24 * HOUR)
    assert told.callback.promise_spoken == "i morgen klokken 10"
    assert (await desk.lists.get(SYSTEM, before.callback.id)).promise.by == TEN  # earlier promises remain
    assert (await rings(desk, 3, "kirurgi")).later is None  # another department is not closed
    clock.set(MIDNIGHT + 8 * HOUR)
    assert (await rings(desk, 4)).later is None


async def test_shorter_closure_replaces_a_longer_one(desk: CallbackServices, clock: FakeClock) -> None:
    now = clock.now()
    await desk.closures.close_queue(as_agent("lise"), "hjerte", from_=now, until=MIDNIGHT)
    await desk.closures.close_queue(as_agent("lise"), "hjerte", from_=now, until=now + timedelta(minutes=1))
    clock.advance(timedelta(minutes=2))
    assert (await rings(desk, 1)).later is None


async def test_round_within_a_future_closure_is_not_promised(desk: CallbackServices, clock: FakeClock) -> None:
    await desk.closures.close_queue(as_agent("lise"), "hjerte", from_=TEN, until=TEN + HOUR)
    told = await rings(desk, 1)
    assert (told.later, told.callback.promise.by) == (None, THIRTEEN)


async def test_closing_an_unknown_department_is_refused(desk: CallbackServices, clock: FakeClock) -> None:
    with pytest.raises(DepartmentNotFound):
        await desk.closures.close_queue(as_agent("lise"), "nowhere", from_=clock.now(), until=MIDNIGHT)
