"""A flood of calls from many phones takes no places from patients, and agents end it at once; on both engines."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from api.health.readiness import check_flood
from desk.access.actor import CALLER, SYSTEM, Actor
from desk.access.errors import DepartmentNotAllowed, NotByEmergencyAccess
from desk.access.permissions import Scope
from desk.callbacks.floods import SUSPECTED
from desk.callbacks.model import RegistrationResult
from desk.callbacks.services import CallbackServices, callback_services
from desk.callbacks.spooled_calls import arrival_data, registration_data
from desk.database.engine import Database
from desk.departments.departments import Departments
from desk.history.feed import Changes
from desk.inquiries.model import InquiryFilter, Status
from desk.promises.model import DelayReason
from desk.vault.vault import Vault
from tests.support.desk.desk import DEPARTMENTS, KEYS, as_agent, call, person, phone
from tests.support.fakes import FakeClock

TODAY = datetime(2026, 11, 24, 14, tzinfo=UTC)
DAY = timedelta(days=1)
CAPACITY = 20


def full_at(database: Database, clock: FakeClock, capacity: int) -> CallbackServices:
    departments = Departments(replace(each, capacity=capacity) for each in DEPARTMENTS.all())
    return callback_services(database=database, departments=lambda: departments, vault=Vault(**KEYS), clock=clock)


@pytest.fixture
def desk(database: Database, clock: FakeClock) -> CallbackServices:
    return full_at(database, clock, CAPACITY)


async def rings(desk: CallbackServices, n: int, *, calls: int | None = None) -> RegistrationResult:
    return await desk.registration.register(CALLER, call(calls or n), "kirurgi", person(n), phone(n))


async def flood(desk: CallbackServices, many: int, start: int = 100) -> list[RegistrationResult]:
    return [await rings(desk, n) for n in range(start, start + many)]


async def known_patient(desk: CallbackServices, clock: FakeClock, n: int) -> None:
    """A patient who was called back some time ago."""
    stored = await rings(desk, n, calls=9000 + n)
    clock.advance(timedelta(minutes=1))
    assert (await desk.repeat_callers.cancel(CALLER, call(9000 + n))).id == stored.callback.id


async def test_flood_takes_no_place_from_patients_who_are_known(desk: CallbackServices, clock: FakeClock) -> None:
    for n in range(1, 6):
        await known_patient(desk, clock, n)
    clock.set(TODAY - timedelta(hours=3))
    stored = await flood(desk, 45)
    assert all(each.created for each in stored), "everyone is registered"
    days = [(each.callback.promise.by - TODAY).days for each in stored]
    assert days == [0] * 20 + [1] * 20 + [2] * 5, "and promised a time that the department can keep"
    assert stored[-1].later is DelayReason.QUEUE_FULL
    patients = [await rings(desk, n) for n in range(1, 6)]
    assert [each.callback.promise.by for each in patients] == [TODAY] * 5
    assert not any(each.callback.suspected or each.later for each in patients)
    assert await desk.floods.waiting(SYSTEM) == {"kirurgi": 45}


async def test_beginning_flood_is_reported_once_and_marks_the_last_hour(
    desk: CallbackServices, clock: FakeClock, database: Database
) -> None:
    stored = await flood(desk, 10)
    assert not any(each.callback.suspected for each in stored)
    taken = await desk.claiming.claim_named(as_agent("kari"), stored[0].callback.id)
    assert (await rings(desk, 200)).callback.suspected
    await flood(desk, 5, start=300)
    shown = [await desk.lists.get(SYSTEM, each.callback.id) for each in stored]
    assert [each.suspected for each in shown] == [False] + [True] * 9, "not the one that an agent has"
    assert shown[0].version == taken.version
    history = await desk.lists.history(SYSTEM, stored[1].callback.id)
    assert [row.event for row in history] == ["registered", "suspected"]
    changes = await Changes(database=database, clock=clock).between(SYSTEM, 0, 10**6)
    assert [each.event for each in changes].count(SUSPECTED) == 1


async def test_usual_number_of_new_callers_is_no_flood(desk: CallbackServices, clock: FakeClock) -> None:
    now = clock.now()
    clock.set(now - 14 * DAY)
    await flood(desk, 4)
    clock.set(now)
    stored = await flood(desk, 12, start=300)
    assert not any(each.callback.suspected for each in stored), "three times the usual, not more"
    assert (await rings(desk, 400)).callback.suspected


async def test_callers_spread_over_a_day_are_no_flood(desk: CallbackServices, clock: FakeClock) -> None:
    for n in range(1, 25):
        assert not (await rings(desk, n)).callback.suspected
        clock.advance(timedelta(minutes=10))


async def test_department_without_capacity_marks_only_from_its_own_number(database: Database, clock: FakeClock) -> None:
    own = Departments(replace(each, flood_from=12 if each.slug == "kirurgi" else None) for each in DEPARTMENTS.all())
    desk = callback_services(database=database, departments=lambda: own, vault=Vault(**KEYS), clock=clock)
    assert [each.callback.suspected for each in await flood(desk, 14)] == [False] * 12 + [True] * 2
    for n in range(1, 15):
        stored = await desk.registration.register(CALLER, call(500 + n), "hjerte", person(n), phone(n))
        assert not stored.callback.suspected


async def test_agent_closes_the_marked_at_once_and_no_other(desk: CallbackServices, clock: FakeClock) -> None:
    await known_patient(desk, clock, 1)
    clock.set(TODAY - timedelta(hours=3))
    await flood(desk, 15)
    patient = await rings(desk, 1)
    kari = as_agent("kari", Scope.of(["kirurgi"]))
    cleared = await desk.floods.close(kari, "kirurgi")
    assert (cleared.changed, cleared.left) == (15, 0)
    assert len(kari.trail.callbacks) == 15, "the audit names each of them"
    waiting = await desk.lists.page(SYSTEM, InquiryFilter(status=[Status.WAITING]))
    assert [each.id for each in waiting.items] == [patient.callback.id]
    again = await rings(desk, 100, calls=800)
    assert again.created and again.callback.promise.by == TODAY, "one of them who calls again is served"


async def test_kept_callbacks_count_as_any_other(desk: CallbackServices) -> None:
    """A letter to many patients looks like a flood. An agent says that it is none."""
    await flood(desk, 15)
    cleared = await desk.floods.keep(as_agent("kari"), "kirurgi")
    assert (cleared.changed, cleared.left) == (15, 0)
    more = await flood(desk, 8, start=300)
    assert not any(each.callback.suspected for each in more)
    assert [each.later for each in more] == [None] * 5 + [DelayReason.QUEUE_FULL] * 3


async def test_flood_is_dealt_with_only_by_agents_of_the_department(desk: CallbackServices) -> None:
    await flood(desk, 12)
    other = as_agent("ola", Scope.of(["hjerte"]))
    borrowed = Actor("lise", Scope(frozenset({"kirurgi"}), borrowed=frozenset({"kirurgi"})))
    for act in (desk.floods.close, desk.floods.keep):
        with pytest.raises(DepartmentNotAllowed):
            await act(other, "kirurgi")
        with pytest.raises(NotByEmergencyAccess):
            await act(borrowed, "kirurgi")
    assert await desk.floods.waiting(SYSTEM) == {"kirurgi": 12}
    assert await desk.floods.waiting(other) == {}


async def test_flood_ends_when_its_origin_is_blocked_and_agents_have_closed_it(
    desk: CallbackServices, clock: FakeClock
) -> None:
    """docs/operations.md: the telephone company lets the origin through no more, and only the usual callers come."""
    clock.set(TODAY - timedelta(hours=6))
    await flood(desk, 40)
    assert not (await check_flood(desk.floods)).ok
    kari = as_agent("kari", Scope.of(["kirurgi"]))
    assert (await desk.floods.close(kari, "kirurgi")).left == 0
    assert (await check_flood(desk.floods)).detail == "no flood is suspected"
    clock.advance(timedelta(hours=1, minutes=1))
    usual = []
    for n in range(500, 510):
        usual.append((await rings(desk, n)).callback)
        clock.advance(timedelta(minutes=6))
    assert not any(each.suspected for each in usual)
    assert (await check_flood(desk.floods)).ok


async def test_flood_while_the_database_was_away_is_marked(desk: CallbackServices, clock: FakeClock) -> None:
    promise = (await rings(desk, 1)).callback.promise
    for n in range(100, 115):
        arrival = arrival_data(call(n), "kirurgi", phone(n))
        data = registration_data(arrival, person(n), "nb", promise)
        stored = await desk.spooled_calls.register(CALLER, clock.now(), data)
        assert stored.promise == promise, "what was heard stands"
    assert await desk.floods.waiting(SYSTEM) == {"kirurgi": 16}
