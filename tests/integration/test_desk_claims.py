"""Claims with lease and fence, attempts, closing and reopening; on both engines."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from desk.access.actor import CALLER, SYSTEM
from desk.callbacks.errors import CallbackNotFound
from desk.callbacks.model import AttemptOutcome, Callback, callback_id
from desk.callbacks.services import CallbackServices
from desk.departments.errors import DepartmentNotFound
from desk.inquiries.errors import AlreadyClaimed, ClaimLost, IllegalMove
from desk.inquiries.model import ClosedReason, Priority, Status
from tests.support.desk.desk import as_agent, call, person, phone
from tests.support.fakes import FakeClock

MINUTE = timedelta(minutes=1)
UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def registered(desk: CallbackServices, n: int = 1, department: str = "kirurgi") -> Callback:
    return (await desk.registration.register(CALLER, call(n), department, person(n), phone(n))).callback


async def claimed(desk: CallbackServices, n: int = 1) -> Callback:
    await registered(desk, n)
    [callback] = await desk.claiming.claim(as_agent("kari"), "kirurgi")
    return callback


async def moves(desk: CallbackServices, id: str) -> list[tuple[str, str, str | None, str | None]]:
    return [(row.event, row.actor, row.from_status, row.to_status) for row in await desk.lists.history(SYSTEM, id)][1:]


async def test_claims_are_ordered_by_priority_then_promise_then_arrival(
    desk: CallbackServices, clock: FakeClock
) -> None:
    cut_off = await claimed(desk, 1)
    clock.advance(MINUTE)
    second = await registered(desk, 2)
    clock.advance(MINUTE)
    third = await registered(desk, 3)
    clock.set(datetime(2026, 11, 24, 13, 30, tzinfo=UTC))  # after the cutoff: tomorrow's promise
    tomorrow = await registered(desk, 4)
    await desk.outcomes.record_attempt(as_agent("kari"), cut_off.id, cut_off.fence, AttemptOutcome.DROPPED)
    taken = await desk.claiming.claim(as_agent("ole"), "kirurgi", limit=10)
    assert [callback.id for callback in taken] == [cut_off.id, second.id, third.id, tomorrow.id]
    assert taken[0].priority is Priority.URGENT


async def test_claim_has_agent_lease_and_fence(desk: CallbackServices, clock: FakeClock) -> None:
    waiting = await registered(desk)
    [callback] = await desk.claiming.claim(as_agent("kari"), "kirurgi")
    assert callback.id == waiting.id
    assert (callback.status, callback.claimed_by, callback.fence) == (Status.CLAIMED, "kari", 1)
    assert callback.lease_until == clock.now() + 15 * MINUTE
    assert callback.version == waiting.version + 1
    assert await desk.claiming.claim(as_agent("ole"), "kirurgi") == []
    assert await desk.lists.get(SYSTEM, callback.id) == callback
    assert await moves(desk, callback.id) == [("claimed", "kari", "waiting", "claimed")]


async def test_limit_is_kept(desk: CallbackServices) -> None:
    for n in range(5):
        await registered(desk, n)
    assert [len(await desk.claiming.claim(as_agent("kari"), "kirurgi", limit=3)) for _ in range(3)] == [3, 2, 0]


async def test_claim_in_an_unknown_department_is_refused(desk: CallbackServices) -> None:
    with pytest.raises(DepartmentNotFound):
        await desk.claiming.claim(as_agent("kari"), "nevro")


async def test_named_callback_is_claimed_once(desk: CallbackServices, clock: FakeClock) -> None:
    id = (await registered(desk)).id
    mine = await desk.claiming.claim_named(as_agent("kari"), id)
    with pytest.raises(AlreadyClaimed):
        await desk.claiming.claim_named(as_agent("ole"), id)
    clock.advance(MINUTE)
    again = await desk.claiming.claim_named(as_agent("kari"), id)
    assert again.fence == mine.fence
    assert again.lease_until == mine.lease_until + MINUTE


async def test_one_of_many_agents_gets_a_named_callback(desk: CallbackServices) -> None:
    id = (await registered(desk)).id
    answers = await asyncio.gather(
        *(desk.claiming.claim_named(as_agent(f"agent-{n}"), id) for n in range(6)), return_exceptions=True
    )
    assert sum(isinstance(answer, Callback) for answer in answers) == 1
    assert sum(isinstance(answer, AlreadyClaimed) for answer in answers) == 5


async def test_unknown_callback_is_not_found(desk: CallbackServices) -> None:
    id = callback_id(UNKNOWN)
    for ask in (
        desk.lists.get(SYSTEM, id),
        desk.lists.history(SYSTEM, id),
        desk.identity_reveal.reveal(as_agent("kari"), id),
        desk.claiming.claim_named(as_agent("kari"), id),
        desk.claiming.release(as_agent("kari"), id, 1),
        desk.outcomes.reopen(as_agent("kari"), id),
        desk.outcomes.close(as_agent("kari"), id, ClosedReason.OTHER, fence=None),
        desk.outcomes.record_attempt(as_agent("kari"), id, 1, AttemptOutcome.REACHED),
    ):
        with pytest.raises(CallbackNotFound):
            await ask


async def test_released_callback_waits_in_its_old_place(desk: CallbackServices, clock: FakeClock) -> None:
    callback = await claimed(desk)
    clock.advance(MINUTE)
    await registered(desk, 2)
    released = await desk.claiming.release(as_agent("kari"), callback.id, callback.fence)
    assert (released.status, released.claimed_by, released.lease_until) == (Status.WAITING, None, None)
    [first] = await desk.claiming.claim(as_agent("ole"), "kirurgi")
    assert (first.id, first.fence) == (callback.id, 2)


async def test_stale_fence_or_another_agent_is_refused(desk: CallbackServices) -> None:
    callback = await claimed(desk)
    await desk.claiming.release(as_agent("kari"), callback.id, 1)
    await desk.claiming.claim_named(as_agent("kari"), callback.id)
    for agent, fence in (("kari", 1), ("ole", 2), ("kari", 3)):
        for ask in (
            desk.claiming.release(as_agent(agent), callback.id, fence),
            desk.claiming.extend(as_agent(agent), callback.id, fence),
            desk.outcomes.record_attempt(as_agent(agent), callback.id, fence, AttemptOutcome.REACHED),
            desk.outcomes.close(as_agent(agent), callback.id, ClosedReason.OTHER, fence=fence),
        ):
            with pytest.raises(ClaimLost):
                await ask
    kept = await desk.lists.get(SYSTEM, callback.id)
    assert (kept.status, kept.claimed_by, kept.attempts) == (Status.CLAIMED, "kari", ())


async def test_expired_lease_passes_to_the_next_agent_and_is_in_the_history(
    desk: CallbackServices, clock: FakeClock
) -> None:
    callback = await claimed(desk)
    clock.advance(15 * MINUTE)
    [taken] = await desk.claiming.claim(as_agent("ole"), "kirurgi")
    assert (taken.id, taken.claimed_by, taken.fence) == (callback.id, "ole", 2)
    assert await moves(desk, callback.id) == [
        ("claimed", "kari", "waiting", "claimed"),
        ("lease_expired", "system", "claimed", "waiting"),
        ("claimed", "ole", "waiting", "claimed"),
    ]
    with pytest.raises(ClaimLost):
        await desk.outcomes.record_attempt(as_agent("kari"), callback.id, 1, AttemptOutcome.REACHED)


async def test_expired_claim_may_be_taken_over_or_completed_late(desk: CallbackServices, clock: FakeClock) -> None:
    callback = await claimed(desk)
    clock.advance(14 * MINUTE)
    extended = await desk.claiming.extend(as_agent("kari"), callback.id, 1)
    assert extended.lease_until == clock.now() + 15 * MINUTE
    clock.advance(15 * MINUTE)
    assert (await desk.claiming.release(as_agent("kari"), callback.id, 1)).status is Status.WAITING
    await desk.claiming.claim_named(as_agent("kari"), callback.id)
    clock.advance(15 * MINUTE)
    assert (await desk.claiming.claim_named(as_agent("ole"), callback.id)).fence == 3


async def test_attempt_is_recorded_after_the_lease_was_ended(desk: CallbackServices, clock: FakeClock) -> None:
    callback = await claimed(desk)
    clock.advance(16 * MINUTE)
    assert await desk.claiming.expire_leases(SYSTEM) == 1
    done = await desk.outcomes.record_attempt(as_agent("kari"), callback.id, 1, AttemptOutcome.REACHED)
    assert (done.status, done.fence, [each.agent for each in done.attempts]) == (Status.CLOSED, 1, ["kari"])
    assert await moves(desk, callback.id) == [
        ("claimed", "kari", "waiting", "claimed"),
        ("lease_expired", "system", "claimed", "waiting"),
        ("claimed", "kari", "waiting", "claimed"),
        ("attempt", "kari", None, None),
        ("closed", "kari", "claimed", "closed"),
    ]


async def test_ended_claim_is_renewed_or_released_by_its_agent_only(desk: CallbackServices, clock: FakeClock) -> None:
    callback = await claimed(desk)
    clock.advance(16 * MINUTE)
    await desk.claiming.expire_leases(SYSTEM)
    with pytest.raises(ClaimLost):
        await desk.claiming.extend(as_agent("ole"), callback.id, 1)
    extended = await desk.claiming.extend(as_agent("kari"), callback.id, 1)
    assert (extended.fence, extended.lease_until) == (1, clock.now() + 15 * MINUTE)
    released = await desk.claiming.release(as_agent("kari"), callback.id, 1)
    assert released.status is Status.WAITING
    with pytest.raises(ClaimLost):
        await desk.outcomes.close(as_agent("kari"), callback.id, ClosedReason.OTHER, fence=1)


async def test_ended_claim_is_lost_once_a_colleague_has_claimed(desk: CallbackServices, clock: FakeClock) -> None:
    callback = await claimed(desk)
    clock.advance(16 * MINUTE)
    await desk.claiming.expire_leases(SYSTEM)
    ole = await desk.claiming.claim_named(as_agent("ole"), callback.id)
    await desk.claiming.release(as_agent("ole"), callback.id, ole.fence)
    with pytest.raises(ClaimLost):
        await desk.outcomes.record_attempt(as_agent("kari"), callback.id, 1, AttemptOutcome.REACHED)


async def test_expire_leases_covers_every_department(desk: CallbackServices, clock: FakeClock) -> None:
    for n, department in enumerate(["kirurgi", "hjerte", "hjerte"]):
        await registered(desk, n, department)
        await desk.claiming.claim(as_agent("kari"), department)
    assert await desk.claiming.expire_leases(SYSTEM) == 0
    clock.advance(15 * MINUTE)
    assert await desk.claiming.expire_leases(SYSTEM) == 3
    assert await desk.claiming.expire_leases(SYSTEM) == 0


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [(AttemptOutcome.REACHED, ClosedReason.REACHED), (AttemptOutcome.WRONG_NUMBER, ClosedReason.WRONG_NUMBER)],
)
async def test_reached_or_wrong_number_closes_the_callback(
    desk: CallbackServices, outcome: AttemptOutcome, reason: ClosedReason
) -> None:
    callback = await claimed(desk)
    after = await desk.outcomes.record_attempt(as_agent("kari"), callback.id, 1, outcome, note="snakket med pårørende")
    assert (after.status, after.closed_reason, after.claimed_by) == (Status.CLOSED, reason, None)
    [attempt] = after.attempts
    assert (attempt.agent, attempt.outcome, attempt.note) == ("kari", outcome, "snakket med pårørende")
    assert await moves(desk, callback.id) == [
        ("claimed", "kari", "waiting", "claimed"),
        ("attempt", "kari", None, None),
        ("closed", "kari", "claimed", "closed"),
    ]
    assert await desk.lists.get(SYSTEM, callback.id) == after


async def test_unanswered_callback_waits_for_its_next_promise(desk: CallbackServices, clock: FakeClock) -> None:
    callback = await claimed(desk)
    after = await desk.outcomes.record_attempt(as_agent("kari"), callback.id, 1, AttemptOutcome.NO_ANSWER)
    assert after.status is Status.WAITING
    assert after.promise.from_ == clock.now() + timedelta(hours=2)
    assert (
        await desk.claiming.claim(as_agent("ole"), "kirurgi") == []
    )  # not handed out at once to be called in vain again
    clock.set(after.promise.from_)
    [again] = await desk.claiming.claim(as_agent("ole"), "kirurgi")
    assert again.id == callback.id
    assert again.attempts == after.attempts


async def test_early_attempt_is_stored_and_not_counted(desk: CallbackServices) -> None:
    callback = await registered(desk, 1, "hjerte")
    [early] = await desk.claiming.claim(as_agent("kari"), "hjerte")
    after = await desk.outcomes.record_attempt(as_agent("kari"), callback.id, early.fence, AttemptOutcome.BUSY)
    assert [attempt.counted for attempt in after.attempts] == [False]
    assert (after.status, after.promise) == (Status.WAITING, callback.promise)


async def test_last_attempt_makes_it_unreachable_with_a_note(desk: CallbackServices, clock: FakeClock) -> None:
    id = (await registered(desk, 1, "hjerte")).id
    for when in ("2026-11-24T09:02", "2026-11-24T12:05", "2026-11-25T09:01"):
        clock.set(datetime.fromisoformat(f"{when}+00:00"))
        [turn] = await desk.claiming.claim(as_agent("kari"), "hjerte")
        after = await desk.outcomes.record_attempt(as_agent("kari"), id, turn.fence, AttemptOutcome.VOICEMAIL)
    assert after.status is Status.UNREACHABLE
    assert after.note == "ringt x3: tir 10:02, tir 13:05, ons 10:01"
    assert [attempt.counted for attempt in after.attempts] == [True, True, True]
    assert (await moves(desk, id))[-2:] == [
        ("attempt", "kari", None, None),
        ("unreachable", "kari", "claimed", "unreachable"),
    ]
    assert await desk.claiming.claim(as_agent("kari"), "hjerte") == []


async def test_dropped_call_goes_first_in_line(desk: CallbackServices, clock: FakeClock) -> None:
    await registered(desk, 2)
    clock.advance(MINUTE)
    id = (await registered(desk, 1)).id
    turn = await desk.claiming.claim_named(as_agent("kari"), id)
    after = await desk.outcomes.record_attempt(as_agent("kari"), id, turn.fence, AttemptOutcome.DROPPED)
    assert (after.status, after.priority) == (Status.WAITING, Priority.URGENT)
    assert [attempt.counted for attempt in after.attempts] == [False]
    assert [callback.id for callback in await desk.claiming.claim(as_agent("ole"), "kirurgi")] == [id]


async def test_waiting_callback_can_be_closed_without_a_claim(desk: CallbackServices) -> None:
    id = (await registered(desk)).id
    closed = await desk.outcomes.close(
        as_agent("kari"), id, ClosedReason.CANCELLED_BY_CALLER, fence=None, note="ringte selv"
    )
    assert (closed.status, closed.closed_reason, closed.note) == (
        Status.CLOSED,
        ClosedReason.CANCELLED_BY_CALLER,
        "ringte selv",
    )
    with pytest.raises(IllegalMove):
        await desk.outcomes.close(as_agent("kari"), id, ClosedReason.OTHER, fence=None)
    with pytest.raises(IllegalMove):
        await desk.claiming.claim_named(as_agent("kari"), id)


async def test_closing_another_agents_callback_is_refused_during_the_lease(
    desk: CallbackServices, clock: FakeClock
) -> None:
    callback = await claimed(desk)
    with pytest.raises(AlreadyClaimed):
        await desk.outcomes.close(as_agent("ole"), callback.id, ClosedReason.OTHER, fence=None)
    with pytest.raises(ClaimLost):
        await desk.outcomes.close(as_agent("kari"), callback.id, ClosedReason.OTHER, fence=None)
    clock.advance(15 * MINUTE)
    assert (
        await desk.outcomes.close(as_agent("ole"), callback.id, ClosedReason.OTHER, fence=None)
    ).status is Status.CLOSED


async def test_claimed_callback_is_closed_with_its_fence(desk: CallbackServices) -> None:
    callback = await claimed(desk)
    closed = await desk.outcomes.close(as_agent("kari"), callback.id, ClosedReason.DUPLICATE, fence=1)
    assert (closed.status, closed.claimed_by, closed.lease_until) == (Status.CLOSED, None, None)


async def test_reopened_callback_waits_with_a_new_promise(desk: CallbackServices, clock: FakeClock) -> None:
    callback = await registered(desk)
    await desk.outcomes.close(as_agent("kari"), callback.id, ClosedReason.OTHER, fence=None)
    clock.advance(timedelta(days=1))
    again = await desk.outcomes.reopen(as_agent("kari"), callback.id)
    assert (again.status, again.closed_reason) == (Status.WAITING, None)
    assert again.promise.by > clock.now()
    with pytest.raises(IllegalMove):
        await desk.outcomes.reopen(as_agent("kari"), callback.id)


async def test_reopening_is_refused_when_the_person_has_an_open_callback(desk: CallbackServices) -> None:
    callback = await registered(desk)
    await desk.outcomes.close(as_agent("kari"), callback.id, ClosedReason.OTHER, fence=None)
    await desk.registration.register(CALLER, call(2), "kirurgi", person(1), phone(1))
    with pytest.raises(IllegalMove):
        await desk.outcomes.reopen(as_agent("kari"), callback.id)


async def test_every_transition_leaves_one_history_row_in_order(desk: CallbackServices, clock: FakeClock) -> None:
    callback = await claimed(desk)
    await desk.outcomes.record_attempt(as_agent("kari"), callback.id, 1, AttemptOutcome.DROPPED)
    await desk.claiming.claim(as_agent("ole"), "kirurgi")
    clock.advance(15 * MINUTE)
    await desk.claiming.expire_leases(SYSTEM)
    await desk.outcomes.close(as_agent("ole"), callback.id, ClosedReason.OTHER, fence=None)
    await desk.outcomes.reopen(as_agent("ole"), callback.id)
    rows = await desk.lists.history(SYSTEM, callback.id)
    chain = [row for row in rows if row.to_status]
    assert [row.from_status for row in chain[1:]] == [row.to_status for row in chain[:-1]]
    assert [row.id for row in rows] == sorted({row.id for row in rows})
    assert chain[-1].to_status == (await desk.lists.get(SYSTEM, callback.id)).status
