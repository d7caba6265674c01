"""Dials on both engines: who may request one, what is refused, who takes them, and the result of each ending."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from desk.access.actor import CALLER, SYSTEM
from desk.callbacks.errors import CallbackNotFound
from desk.callbacks.model import AttemptOutcome
from desk.database.engine import Database
from desk.database.notify import DIALS, HISTORY
from desk.dials.errors import (
    DialInProgress,
    DialLost,
    DialNotFound,
    DialOver,
    NoAgentPhone,
    NumberNotCallable,
    OutsideRingingHours,
)
from desk.dials.model import DialReason, DialState, WaitingDial
from desk.history import feed_repository as feed
from desk.inquiries.errors import AlreadyClaimed, ClaimLost
from desk.inquiries.model import Status
from desk.limits.dial_caps import DialCaps
from desk.limits.errors import DialCapReached
from desk.numbers.phone_number import parse_phone
from tests.support.desk.desk import as_agent, call
from tests.support.desk.dials import DialWorld, make_dials
from tests.support.fakes import FakeClock

ME, COLLEAGUE = "asterisk-1/a", "asterisk-1/b"


@pytest.fixture
def world(database: Database, clock: FakeClock) -> DialWorld:
    return make_dials(database, clock)


async def test_dial_is_requested_once_taken_once_and_recorded_step_by_step(world: DialWorld) -> None:
    dial = await world.requested(1)
    assert (dial.state, dial.agent_phone, dial.phone.e164) == (DialState.REQUESTED, "kari-phone", "+4768050001")
    assert "68050001" not in repr(dial)
    assert await world.dials.request(as_agent("kari"), dial.callback_id, dial.fence, "kari-phone") == dial
    assert await world.dials.waiting(SYSTEM) == [WaitingDial(dial.id, "kari-phone")]
    assert await world.dials.take(SYSTEM, COLLEAGUE, limit=5, only=["0" * 32]) == []
    (mine,) = await world.dials.take(SYSTEM, ME, limit=5)
    assert await world.dials.take(SYSTEM, COLLEAGUE, limit=5) == []
    assert not await world.dials.waiting(SYSTEM)
    for state in (DialState.AGENT_RINGING, DialState.PATIENT_RINGING, DialState.BRIDGED):
        assert (await world.dials.advance(SYSTEM, mine, ME, state)).state is state
    await world.dials.end(SYSTEM, mine, ME, DialReason.ANSWERED)
    over = await world.dials.latest(SYSTEM, dial.callback_id)
    assert (over.state, over.reason, over.bridged_at) == (DialState.ENDED, DialReason.ANSWERED, world.clock.now())
    assert await world.events(dial.callback_id) == [
        "dial_requested",
        "dial_agent_ringing",
        "dial_patient_ringing",
        "dial_bridged",
        "dial_ended:answered",
    ]
    callback = await world.desk.lists.get(SYSTEM, dial.callback_id)
    assert (callback.status, callback.claimed_by, callback.attempts) == (Status.CLAIMED, "kari", ())


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        (DialReason.BUSY, AttemptOutcome.BUSY),
        (DialReason.NO_ANSWER, AttemptOutcome.NO_ANSWER),
        (DialReason.DROPPED, AttemptOutcome.DROPPED),
        (DialReason.AGENT_NO_ANSWER, None),
        (DialReason.AGENT_HUNG_UP, None),
        (DialReason.FAILED, None),
        (DialReason.LOST, None),
    ],
)
async def test_ending_that_concerns_the_patient_is_recorded_as_an_attempt(
    world: DialWorld, reason: DialReason, outcome: AttemptOutcome | None
) -> None:
    dial = await world.requested(1)
    await world.dials.take(SYSTEM, ME, limit=1)
    await world.dials.end(SYSTEM, dial, ME, reason)
    await world.dials.end(SYSTEM, dial, ME, reason)  # once is enough
    callback = await world.desk.lists.get(SYSTEM, dial.callback_id)
    assert [attempt.outcome for attempt in callback.attempts] == ([outcome] if outcome else [])
    assert callback.status is (Status.WAITING if outcome else Status.CLAIMED)


async def test_attempt_after_a_lost_claim_is_only_in_the_history(world: DialWorld) -> None:
    dial = await world.requested(1)
    await world.dials.take(SYSTEM, ME, limit=1)
    world.clock.advance(timedelta(minutes=16))
    await world.desk.claiming.claim_named(as_agent("ola"), dial.callback_id)
    await world.dials.end(SYSTEM, dial, ME, DialReason.BUSY)
    callback = await world.desk.lists.get(SYSTEM, dial.callback_id)
    assert (callback.claimed_by, callback.attempts) == ("ola", ())
    assert (await world.events(dial.callback_id))[-2:] == ["dial_ended:busy", "dial_not_recorded:busy"]


async def test_only_the_current_claim_may_dial(world: DialWorld) -> None:
    callback = await world.claimed(1)
    for agent, fence in (("ola", callback.fence), ("kari", callback.fence + 1)):
        with pytest.raises(ClaimLost):
            await world.dials.request(as_agent(agent), callback.id, fence, "phone")
    with pytest.raises(NoAgentPhone):
        await world.dials.request(as_agent("kari"), callback.id, callback.fence, None)
    world.clock.advance(timedelta(minutes=16))
    with pytest.raises(ClaimLost):
        await world.dials.request(as_agent("kari"), callback.id, callback.fence, "kari-phone")
    with pytest.raises(CallbackNotFound):
        await world.dials.request(as_agent("kari"), "0" * 32, 1, "kari-phone")
    with pytest.raises(DialNotFound):
        await world.dials.latest(SYSTEM, callback.id)


async def test_callback_and_agent_have_one_dial_at_a_time(world: DialWorld) -> None:
    dial = await world.requested(1)
    with pytest.raises(DialInProgress):
        await world.requested(2)
    world.clock.advance(timedelta(minutes=16))
    taken_over = await world.desk.claiming.claim_named(as_agent("ola"), dial.callback_id)
    with pytest.raises(DialInProgress):
        await world.dials.request(as_agent("ola"), dial.callback_id, taken_over.fence, "ola-phone")


async def test_simultaneous_requests_get_one_dial(world: DialWorld) -> None:
    callback = await world.claimed(1)
    asked = await asyncio.gather(
        *(world.dials.request(as_agent("kari"), callback.id, callback.fence, "kari-phone") for _ in range(8))
    )
    assert len({dial.id for dial in asked}) == 1
    assert (await world.events(callback.id)) == ["dial_requested"]


async def test_dial_is_taken_only_once(world: DialWorld) -> None:
    dials = [await world.requested(n, f"agent-{n}") for n in range(1, 9)]
    taken = await asyncio.gather(*(world.dials.take(SYSTEM, f"asterisk-{n}/x", limit=3) for n in range(6)))
    ids = [dial.id for each in taken for dial in each]
    assert sorted(ids) == sorted(dial.id for dial in dials)


@pytest.mark.parametrize(
    "moment", [datetime(2026, 11, 24, 15, 0, tzinfo=UTC), datetime(2026, 11, 21, 10, 0, tzinfo=UTC)]
)  # Tuesday 16:00 and a Saturday, in Oslo
async def test_patient_is_not_called_outside_the_hours(world: DialWorld, moment: datetime) -> None:
    world.clock.set(moment)
    callback = await world.claimed(1)
    with pytest.raises(OutsideRingingHours) as refused:
        await world.dials.request(as_agent("kari"), callback.id, callback.fence, "kari-phone")
    assert refused.value.detail == "08:00-16:00, workdays"


async def test_dial_stops_when_the_hours_end_before_the_patient_is_called(world: DialWorld) -> None:
    world.clock.set(datetime(2026, 11, 24, 14, 59, 59, tzinfo=UTC))
    dial = await world.requested(1)
    assert world.dials.may_ring(dial)
    world.clock.advance(timedelta(seconds=1))
    assert not world.dials.may_ring(dial)


async def test_daily_limits_apply_to_a_number_and_an_agent(database: Database, clock: FakeClock) -> None:
    world = make_dials(database, clock, DialCaps(number=2, agent=3))
    callback = await world.claimed(1)

    async def dialled() -> None:
        claim = await world.desk.claiming.claim_named(as_agent("kari"), callback.id)
        dial = await world.dials.request(as_agent("kari"), callback.id, claim.fence, "kari-phone")
        await world.dials.take(SYSTEM, ME, limit=1)
        await world.dials.advance(SYSTEM, dial, ME, DialState.PATIENT_RINGING)
        await world.dials.end(SYSTEM, dial, ME, DialReason.AGENT_HUNG_UP)

    await dialled()
    await dialled()
    with pytest.raises(DialCapReached, match="number"):
        await dialled()
    other = await world.requested(2)
    await world.dials.cancel(as_agent("kari"), other.callback_id)
    with pytest.raises(DialCapReached, match="agent"):
        await world.requested(3)
    clock.advance(timedelta(days=1))
    await dialled()


async def test_number_outside_the_allowed_prefixes_is_not_dialled(world: DialWorld) -> None:
    swedish = parse_phone("+46701740605", allow_foreign=True)
    registered = await world.desk.registration.register(CALLER, call(1), "kirurgi", None, swedish)
    claim = await world.desk.claiming.claim_named(as_agent("kari"), registered.callback.id)
    with pytest.raises(NumberNotCallable):
        await world.dials.request(as_agent("kari"), claim.id, claim.fence, "kari-phone")


async def test_dial_cancelled_before_it_is_taken_ends_at_once(world: DialWorld) -> None:
    dial = await world.requested(1)
    with pytest.raises(AlreadyClaimed):
        await world.dials.cancel(as_agent("ola"), dial.callback_id)
    ended = await world.dials.cancel(as_agent("kari"), dial.callback_id)
    assert (ended.state, ended.reason) == (DialState.ENDED, DialReason.CANCELLED)
    assert await world.dials.take(SYSTEM, ME, limit=1) == []
    with pytest.raises(DialOver):
        await world.dials.cancel(as_agent("kari"), dial.callback_id)


async def test_dial_cancelled_later_is_reported_to_its_controller(world: DialWorld) -> None:
    dial = await world.requested(1)
    await world.dials.take(SYSTEM, ME, limit=1)
    assert await world.dials.to_cancel(SYSTEM, ME) == []
    assert (await world.dials.cancel(as_agent("kari"), dial.callback_id)).state is DialState.REQUESTED
    assert await world.dials.to_cancel(SYSTEM, ME) == [dial.id]
    assert await world.dials.to_cancel(SYSTEM, COLLEAGUE) == []
    await world.dials.end(SYSTEM, dial, ME, DialReason.CANCELLED)
    assert await world.dials.to_cancel(SYSTEM, ME) == []


async def test_next_controller_of_an_asterisk_inherits_its_dials(world: DialWorld) -> None:
    dial = await world.requested(1)
    other = await world.requested(2, "ola")
    await world.dials.take(SYSTEM, ME, limit=2)
    assert await world.dials.inherit(SYSTEM, "asterisk-2/c", of="asterisk-2/", excluding=()) == []
    (inherited,) = await world.dials.inherit(SYSTEM, COLLEAGUE, of="asterisk-1/", excluding=[other.id])
    assert inherited.id == dial.id
    with pytest.raises(DialLost):
        await world.dials.advance(SYSTEM, dial, ME, DialState.AGENT_RINGING)
    await world.dials.end(SYSTEM, dial, ME, DialReason.BUSY)
    assert (await world.dials.latest(SYSTEM, dial.callback_id)).state is DialState.REQUESTED
    assert await world.dials.live(SYSTEM, ME) == {other.id}


async def test_abandoned_dials_are_ended(world: DialWorld) -> None:
    untaken = await world.requested(1)
    world.clock.advance(timedelta(seconds=31))
    assert await world.dials.take(SYSTEM, ME, limit=1) == []
    assert (await world.dials.latest(SYSTEM, untaken.callback_id)).reason is DialReason.EXPIRED
    taken = await world.requested(2)
    await world.dials.take(SYSTEM, ME, limit=1)
    world.clock.advance(timedelta(seconds=19))
    await world.dials.live(SYSTEM, ME)
    world.clock.advance(timedelta(seconds=19))
    await world.dials.end_forgotten(SYSTEM)
    assert (await world.dials.latest(SYSTEM, taken.callback_id)).state is DialState.REQUESTED
    world.clock.advance(timedelta(seconds=2))
    await world.dials.end_forgotten(SYSTEM)
    assert (await world.dials.latest(SYSTEM, taken.callback_id)).reason is DialReason.LOST


async def test_talk_whose_controller_is_gone_is_ended_after_a_minute(world: DialWorld) -> None:
    dial = await world.requested(1)
    await world.dials.take(SYSTEM, ME, limit=1)
    await world.dials.advance(SYSTEM, dial, ME, DialState.BRIDGED)
    world.clock.advance(timedelta(seconds=59))
    await world.dials.end_forgotten(SYSTEM)
    assert (await world.dials.latest(SYSTEM, dial.callback_id)).state is DialState.BRIDGED
    world.clock.advance(timedelta(seconds=2))
    await world.dials.end_forgotten(SYSTEM)
    assert (await world.dials.latest(SYSTEM, dial.callback_id)).reason is DialReason.LOST


async def test_waiting_controller_is_woken_for_dials_only(world: DialWorld) -> None:
    async with world.dials.changes() as woken:
        await asyncio.sleep(0)
        woken.clear()
        callback = await world.claimed(1)
        assert not woken.is_set()
        await world.dials.request(as_agent("kari"), callback.id, callback.fence, "kari-phone")
        await asyncio.wait_for(woken.wait(), 10)
        woken.clear()
        await world.dials.take(SYSTEM, ME, limit=1)
        await world.dials.cancel(as_agent("kari"), callback.id)
        await asyncio.wait_for(woken.wait(), 10)


@pytest.mark.parametrize("migrated_url", ["postgresql"], indirect=True)
async def test_controller_is_woken_by_another_process(world: DialWorld, migrated_url: str) -> None:
    controller = Database(migrated_url)
    woken, announced = asyncio.Event(), asyncio.Event()
    try:
        async with (
            feed.listening(controller, DIALS, woken.set, lambda: None),
            feed.listening(controller, HISTORY, announced.set, lambda: None),
        ):
            callback = await world.claimed(1)
            await asyncio.wait_for(announced.wait(), 10)
            assert not woken.is_set()
            await world.dials.request(as_agent("kari"), callback.id, callback.fence, "kari-phone")
            await asyncio.wait_for(woken.wait(), 10)
    finally:
        await controller.close()
