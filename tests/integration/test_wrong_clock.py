"""A machine whose clock is wrong: nothing is deleted, no lease holds for ever, no one is locked out; both engines."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, select

from api.health.readiness import check_clock
from desk.access.actor import CALLER, SYSTEM
from desk.access.permissions import Role
from desk.accounts.agents import Agents
from desk.accounts.second_factor import repository as second_factors
from desk.accounts.second_factor.totp import step_of
from desk.accounts.sessions.model import LoginSource
from desk.accounts.sessions.service import Sessions
from desk.audit.actions import AuditAction
from desk.audit.audit import Audit, AuditEntry, AuditOutcome
from desk.audit.retention import AuditRetention
from desk.callbacks.model import IncompleteStep
from desk.callbacks.services import CallbackServices, callback_services
from desk.clock_check.clock_check import ClockCheck, SharedClock
from desk.clock_check.errors import ClockDoubted
from desk.connections.health import Component
from desk.controllers.controllers import Controllers
from desk.controllers.model import Load
from desk.database.engine import Database
from desk.database.unit_of_work import Unit
from desk.inquiries.model import ClosedReason
from desk.limits.backoff import LaneCount, seconds_to_wait
from desk.privacy.retention import Retention, RetentionRules
from desk.schema.tables import agents
from tests.support.desk.desk import as_agent, call, person, phone
from tests.support.desk.sealed_database import old_vault
from tests.support.fakes import FakeClock

DAY = timedelta(days=1)
FAR = timedelta(days=45)
IDLE = Load(calls=0, spooled=0, damaged=0)


def reading(clock: FakeClock | None) -> Callable[[Unit], Awaitable[datetime | None]]:
    """A database whose own clock is that one. None: it has none, as SQLite."""

    async def database_time(unit: Unit) -> datetime | None:
        return clock.now() if clock is not None else None

    return database_time


def checked(database: Database, clock: FakeClock, by: FakeClock | None = None) -> ClockCheck:
    return ClockCheck(database=database, clock=clock, database_time=reading(by))


def nightly(database: Database, clock: FakeClock, by: FakeClock | None = None) -> Retention:
    check = checked(database, clock, by)
    return Retention(database=database, clock=clock, check=check, rules=RetentionRules(), rest=0)


async def closed(desk: CallbackServices, n: int) -> str:
    id = (await desk.registration.register(CALLER, call(n), "kirurgi", person(n), phone(n))).callback.id
    await desk.outcomes.close(as_agent("kari"), id, ClosedReason.OTHER, fence=None)
    return id


async def test_clock_far_ahead_deletes_nothing_and_the_night_after_it_is_not_done(
    desk: CallbackServices, database: Database, clock: FakeClock
) -> None:
    id = await closed(desk, 1)
    assert await nightly(database, clock).run_if_due() is not None
    clock.advance(FAR)
    await desk.registration.record_call(CALLER, call(2), "kirurgi", phone=phone(2), step=IncompleteStep.IDENTITY)
    await closed(desk, 3)  # someone rings in those seconds: the newest history agrees with the clock
    process = nightly(database, clock)
    assert [await process.run_if_due() for _ in range(3)] == [None] * 3
    with pytest.raises(ClockDoubted, match="45 days"):
        await process.run_now()
    clock.advance(-FAR)
    assert (await desk.lists.get(SYSTEM, id)).phone == phone(1)
    clock.advance(DAY)
    assert await nightly(database, clock).run_if_due() is not None, "the clock is right again: deletion goes on"


async def test_night_in_the_future_is_not_done(desk: CallbackServices, database: Database, clock: FakeClock) -> None:
    await closed(desk, 1)
    clock.advance(FAR)
    assert await nightly(database, clock).run_now(gap_is_right=True) is not None, "an operator was mistaken"
    clock.advance(-FAR)
    run = await nightly(database, clock).run_if_due()
    assert run is not None
    assert run.night == RetentionRules().night(clock.now())


async def test_first_night_with_old_history_is_doubted(
    desk: CallbackServices, database: Database, clock: FakeClock
) -> None:
    assert await nightly(database, clock).run_if_due() is not None, "an empty database has nothing to compare with"
    other = FakeClock(clock.now() + DAY)
    assert await nightly(database, other).run_if_due() is not None, "and goes on each night"


async def test_clock_unlike_the_databases_deletes_nothing(
    desk: CallbackServices, database: Database, clock: FakeClock
) -> None:
    await closed(desk, 1)
    right = FakeClock(clock.now())
    assert await nightly(database, clock, right).run_if_due() is not None
    clock.advance(DAY + timedelta(minutes=2))
    right.advance(DAY)
    assert await nightly(database, clock, right).run_if_due() is None
    with pytest.raises(ClockDoubted, match="differs from the database's by 2 minutes"):
        await nightly(database, clock, right).run_now(gap_is_right=True)
    right.advance(timedelta(minutes=2))
    assert await nightly(database, clock, right).run_if_due() is not None


async def test_operator_confirms_after_a_long_stop(
    desk: CallbackServices, database: Database, clock: FakeClock
) -> None:
    await closed(desk, 1)
    await nightly(database, clock).run_if_due()
    clock.advance(FAR)
    run = await nightly(database, clock).run_now(gap_is_right=True)
    assert run is not None
    assert run.deleted["callbacks"] == 1
    clock.advance(DAY)
    assert await nightly(database, clock).run_if_due() is not None, "later nights need no confirmation"


async def test_clock_that_jumps_during_a_run_ends_it(
    desk: CallbackServices, database: Database, clock: FakeClock
) -> None:
    await closed(desk, 1)
    await nightly(database, clock).run_if_due()
    clock.advance(DAY)
    process = nightly(database, clock)
    taken = await process._take(SYSTEM, RetentionRules().night(clock.now()))
    assert taken is not None
    clock.advance(FAR)
    assert await process._step(SYSTEM, taken) is None
    assert await process.run_if_due() is None


async def test_old_audit_is_not_deleted_by_a_wrong_clock(database: Database, clock: FakeClock) -> None:
    audit = Audit(database=database, vault=old_vault(), clock=clock)
    entry = AuditEntry(who="kari", action=AuditAction.RETENTION_RUN, outcome=AuditOutcome.DONE, source="cli:kari")
    await audit.record(entry)
    await nightly(database, clock).run_if_due()
    clock.advance(timedelta(days=3000))
    check = checked(database, clock)
    with pytest.raises(ClockDoubted):
        await AuditRetention(database=database, audit=audit, check=check, clock=clock, days=1827).run()


async def test_skew_and_history_in_the_future_are_faults_and_the_shared_clock_follows(
    desk: CallbackServices, database: Database, clock: FakeClock
) -> None:
    right = FakeClock(clock.now())
    shared = SharedClock(clock)
    check = ClockCheck(database=database, clock=clock, shared=shared, database_time=reading(right))
    assert (await check.check()).fault is None
    clock.advance(timedelta(seconds=40))
    state = await check.check()
    assert (state.skew, state.doubt) == (timedelta(seconds=40), None)
    assert state.fault == "it differs from the database's by 40 seconds"
    assert shared.now() == right.now()
    await closed(desk, 1)
    clock.advance(-FAR)
    right.set(clock.now())
    assert (await check.check()).fault == "the newest history is 45 days in the future"


async def test_readiness_says_what_is_wrong_with_the_clock(
    desk: CallbackServices, database: Database, clock: FakeClock
) -> None:
    await closed(desk, 1)
    assert await check_clock(checked(database, clock)) == Component(True, "agrees with what is stored")
    assert await check_clock(checked(database, clock, clock)) == Component(True, "agrees with the database's")
    right = FakeClock(clock.now())
    clock.advance(timedelta(seconds=10))
    found = await check_clock(checked(database, clock, right))
    assert found == Component(False, "it differs from the database's by 10 seconds")
    clock.advance(FAR)
    found = await check_clock(checked(database, clock))
    assert found == Component(False, "nothing is deleted: by it the first history was 45 days ago")


async def test_lease_of_two_machines_is_counted_by_the_databases_clock(database: Database, clock: FakeClock) -> None:
    fast = FakeClock(clock.now() + timedelta(minutes=10))
    shared = SharedClock(fast)
    await ClockCheck(database=database, clock=fast, shared=shared, database_time=reading(clock)).check()
    one = Controllers(database=database, clock=SharedClock(clock))
    assert await one.take(SYSTEM, "asterisk-1", "one/x", IDLE)
    assert not await Controllers(database=database, clock=shared).take(SYSTEM, "asterisk-1", "two/y", IDLE)


async def test_leases_taken_by_a_clock_far_ahead_hold_nothing_later(
    desk: CallbackServices, database: Database, clock: FakeClock
) -> None:
    controllers = Controllers(database=database, clock=clock)
    id = (await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))).callback.id
    clock.advance(FAR)
    await desk.claiming.claim_named(as_agent("kari"), id)
    await controllers.take(SYSTEM, "asterisk-1", "one/x", IDLE)
    clock.advance(-FAR)
    assert await desk.claiming.expire_leases(SYSTEM) == 1
    assert (await desk.claiming.claim_named(as_agent("ola"), id)).claimed_by == "ola"
    assert await controllers.take(SYSTEM, "asterisk-1", "two/y", IDLE)


async def test_claims_use_the_lease_clock(database: Database, clock: FakeClock, desk: CallbackServices) -> None:
    """An api whose machine is an hour ahead ends no other's claim."""
    fast = FakeClock(clock.now() + timedelta(hours=1))
    shared = SharedClock(fast)
    await ClockCheck(database=database, clock=fast, shared=shared, database_time=reading(clock)).check()
    other = callback_services(
        database=database, departments=desk.claiming._departments, vault=old_vault(), clock=fast, lease_clock=shared
    )
    id = (await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))).callback.id
    await desk.claiming.claim_named(as_agent("kari"), id)
    assert await other.claiming.expire_leases(SYSTEM) == 0


async def test_codes_used_by_a_clock_far_ahead_lock_no_one_out(database: Database, clock: FakeClock) -> None:
    await Agents(database=database, clock=clock).add(SYSTEM, "kari", Role.AGENT, ["*"])
    step = step_of(clock.now())
    async with database.begin() as connection:
        unit = Unit(connection, clock, SYSTEM)
        agent = (await connection.execute(select(agents.c.id))).scalar_one()
        id = "00000000-0000-4000-8000-000000000001"
        values = {"id": id, "agent_id": agent, "secret": b"sealed", "created_at": clock.now()}
        await connection.execute(insert(second_factors.second_factors).values(**values))
        assert await second_factors.use_step(unit, id, step + 45 * 2880)
        assert await second_factors.use_step(unit, id, step), "the clock is right again"
        assert not await second_factors.use_step(unit, id, step), "and a code is used once"


def test_delays_stored_by_a_clock_far_ahead_are_over(clock: FakeClock) -> None:
    now = clock.now()
    ahead = LaneCount(9, now + FAR + timedelta(seconds=60), now + FAR)
    assert seconds_to_wait([ahead], now) == 0
    assert seconds_to_wait([LaneCount(9, now + timedelta(seconds=60), now)], now) == 60


async def test_session_opened_by_a_clock_far_ahead_has_ended(database: Database, clock: FakeClock) -> None:
    await Agents(database=database, clock=clock).add(SYSTEM, "kari", Role.AGENT, ["*"])
    sessions = Sessions(database=database, clock=clock)
    clock.advance(FAR)
    ahead = await sessions.open(SYSTEM, "kari", source=LoginSource.PASSWORD)
    assert await sessions.verify(ahead.token) is not None
    clock.advance(-FAR)
    assert await sessions.verify(ahead.token) is None, "it would last 45 days longer than any"
