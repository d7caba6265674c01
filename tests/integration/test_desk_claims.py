"""Claims with lease and fence, attempts, closing and reopening; on both engines."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from desk.access.permissions import EVERYTHING
from desk.callbacks.errors import CallbackNotFound
from desk.callbacks.model import AttemptOutcome, Callback
from desk.callbacks.queue import Desk
from desk.departments.errors import DepartmentNotFound
from desk.inquiries.errors import AlreadyClaimed, ClaimLost, IllegalMove
from desk.inquiries.model import ClosedReason, Priority, Status
from tests.support.desk.desk import call, person, phone
from tests.support.fakes import FakeClock

MINUTE = timedelta(minutes=1)
UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def registered(desk: Desk, n: int = 1, department: str = "kirurgi") -> Callback:
    return (await desk.register(call(n), department, person(n), phone(n))).callback


async def claimed(desk: Desk, n: int = 1) -> Callback:
    await registered(desk, n)
    [callback] = await desk.claim("kirurgi", "kari", scope=EVERYTHING)
    return callback


async def moves(desk: Desk, id: str) -> list[tuple[str, str, str | None, str | None]]:
    return [(row.event, row.actor, row.from_status, row.to_status) for row in await desk.history(id, scope=EVERYTHING)][
        1:
    ]


async def test_claims_are_ordered_by_priority_then_promise_then_arrival(desk: Desk, clock: FakeClock) -> None:
    cut_off = await claimed(desk, 1)
    clock.advance(MINUTE)
    second = await registered(desk, 2)
    clock.advance(MINUTE)
    third = await registered(desk, 3)
    clock.set(datetime(2026, 11, 24, 13, 30, tzinfo=UTC))  # after the cutoff: tomorrow's promise
    tomorrow = await registered(desk, 4)
    await desk.record_attempt(cut_off.id, "kari", cut_off.fence, AttemptOutcome.DROPPED, scope=EVERYTHING)
    taken = await desk.claim("kirurgi", "ole", limit=10, scope=EVERYTHING)
    assert [callback.id for callback in taken] == [cut_off.id, second.id, third.id, tomorrow.id]
    assert taken[0].priority is Priority.URGENT


async def test_claim_has_agent_lease_and_fence(desk: Desk, clock: FakeClock) -> None:
    waiting = await registered(desk)
    [callback] = await desk.claim("kirurgi", "kari", scope=EVERYTHING)
    assert callback.id == waiting.id
    assert (callback.status, callback.claimed_by, callback.fence) == (Status.CLAIMED, "kari", 1)
    assert callback.lease_until == clock.now() + 15 * MINUTE
    assert callback.version == waiting.version + 1
    assert await desk.claim("kirurgi", "ole", scope=EVERYTHING) == []
    assert await desk.get(callback.id, scope=EVERYTHING) == callback
    assert await moves(desk, callback.id) == [("claimed", "kari", "waiting", "claimed")]


async def test_limit_is_kept(desk: Desk) -> None:
    for n in range(5):
        await registered(desk, n)
    assert [len(await desk.claim("kirurgi", "kari", limit=3, scope=EVERYTHING)) for _ in range(3)] == [3, 2, 0]


async def test_claim_in_an_unknown_department_is_refused(desk: Desk) -> None:
    with pytest.raises(DepartmentNotFound):
        await desk.claim("nevro", "kari", scope=EVERYTHING)


async def test_named_callback_is_claimed_once(desk: Desk, clock: FakeClock) -> None:
    id = (await registered(desk)).id
    mine = await desk.claim_named(id, "kari", scope=EVERYTHING)
    with pytest.raises(AlreadyClaimed):
        await desk.claim_named(id, "ole", scope=EVERYTHING)
    clock.advance(MINUTE)
    again = await desk.claim_named(id, "kari", scope=EVERYTHING)
    assert again.fence == mine.fence
    assert again.lease_until == mine.lease_until + MINUTE


async def test_one_of_many_agents_gets_a_named_callback(desk: Desk) -> None:
    id = (await registered(desk)).id
    answers = await asyncio.gather(
        *(desk.claim_named(id, f"agent-{n}", scope=EVERYTHING) for n in range(6)), return_exceptions=True
    )
    assert sum(isinstance(answer, Callback) for answer in answers) == 1
    assert sum(isinstance(answer, AlreadyClaimed) for answer in answers) == 5


@pytest.mark.parametrize("id", [UNKNOWN, "", "nonsense", "1' or '1'='1", "\x00", "å" * 500])
async def test_invalid_callback_id_is_not_found(desk: Desk, id: str) -> None:
    for ask in (
        desk.get(id, scope=EVERYTHING),
        desk.history(id, scope=EVERYTHING),
        desk.patient(id, "kari", scope=EVERYTHING),
        desk.claim_named(id, "kari", scope=EVERYTHING),
        desk.release(id, "kari", 1, scope=EVERYTHING),
        desk.reopen(id, "kari", scope=EVERYTHING),
        desk.close(id, "kari", ClosedReason.OTHER, fence=None, scope=EVERYTHING),
        desk.record_attempt(id, "kari", 1, AttemptOutcome.REACHED, scope=EVERYTHING),
    ):
        with pytest.raises(CallbackNotFound):
            await ask


async def test_ids_are_read_in_any_spelling(desk: Desk) -> None:
    callback = await registered(desk)
    assert (await desk.get(callback.id.upper(), scope=EVERYTHING)).id == callback.id
    assert await desk.patient(callback.id.replace("-", "").upper(), "kari", scope=EVERYTHING) == person(1)
    assert len(await desk.history(callback.id.upper(), scope=EVERYTHING)) == 2


async def test_released_callback_waits_in_its_old_place(desk: Desk, clock: FakeClock) -> None:
    callback = await claimed(desk)
    clock.advance(MINUTE)
    await registered(desk, 2)
    released = await desk.release(callback.id, "kari", callback.fence, scope=EVERYTHING)
    assert (released.status, released.claimed_by, released.lease_until) == (Status.WAITING, None, None)
    [first] = await desk.claim("kirurgi", "ole", scope=EVERYTHING)
    assert (first.id, first.fence) == (callback.id, 2)


async def test_stale_fence_or_another_agent_is_refused(desk: Desk) -> None:
    callback = await claimed(desk)
    await desk.release(callback.id, "kari", 1, scope=EVERYTHING)
    await desk.claim_named(callback.id, "kari", scope=EVERYTHING)
    for agent, fence in (("kari", 1), ("ole", 2), ("kari", 3)):
        for ask in (
            desk.release(callback.id, agent, fence, scope=EVERYTHING),
            desk.extend(callback.id, agent, fence, scope=EVERYTHING),
            desk.record_attempt(callback.id, agent, fence, AttemptOutcome.REACHED, scope=EVERYTHING),
            desk.close(callback.id, agent, ClosedReason.OTHER, fence=fence, scope=EVERYTHING),
        ):
            with pytest.raises(ClaimLost):
                await ask
    kept = await desk.get(callback.id, scope=EVERYTHING)
    assert (kept.status, kept.claimed_by, kept.attempts) == (Status.CLAIMED, "kari", ())


async def test_expired_lease_passes_to_the_next_agent_and_is_in_the_history(desk: Desk, clock: FakeClock) -> None:
    callback = await claimed(desk)
    clock.advance(15 * MINUTE)
    [taken] = await desk.claim("kirurgi", "ole", scope=EVERYTHING)
    assert (taken.id, taken.claimed_by, taken.fence) == (callback.id, "ole", 2)
    assert await moves(desk, callback.id) == [
        ("claimed", "kari", "waiting", "claimed"),
        ("lease_expired", "system", "claimed", "waiting"),
        ("claimed", "ole", "waiting", "claimed"),
    ]
    with pytest.raises(ClaimLost):
        await desk.record_attempt(callback.id, "kari", 1, AttemptOutcome.REACHED, scope=EVERYTHING)


async def test_expired_claim_may_be_taken_over_or_completed_late(desk: Desk, clock: FakeClock) -> None:
    callback = await claimed(desk)
    clock.advance(14 * MINUTE)
    extended = await desk.extend(callback.id, "kari", 1, scope=EVERYTHING)
    assert extended.lease_until == clock.now() + 15 * MINUTE
    clock.advance(15 * MINUTE)
    assert (await desk.release(callback.id, "kari", 1, scope=EVERYTHING)).status is Status.WAITING
    await desk.claim_named(callback.id, "kari", scope=EVERYTHING)
    clock.advance(15 * MINUTE)
    assert (await desk.claim_named(callback.id, "ole", scope=EVERYTHING)).fence == 3


async def test_expire_leases_covers_every_department(desk: Desk, clock: FakeClock) -> None:
    for n, department in enumerate(["kirurgi", "hjerte", "hjerte"]):
        await registered(desk, n, department)
        await desk.claim(department, "kari", scope=EVERYTHING)
    assert await desk.expire_leases() == 0
    clock.advance(15 * MINUTE)
    assert await desk.expire_leases() == 3
    assert await desk.expire_leases() == 0


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [(AttemptOutcome.REACHED, ClosedReason.REACHED), (AttemptOutcome.WRONG_NUMBER, ClosedReason.WRONG_NUMBER)],
)
async def test_reached_or_wrong_number_closes_the_callback(
    desk: Desk, outcome: AttemptOutcome, reason: ClosedReason
) -> None:
    callback = await claimed(desk)
    after = await desk.record_attempt(callback.id, "kari", 1, outcome, note="snakket med pårørende", scope=EVERYTHING)
    assert (after.status, after.closed_reason, after.claimed_by) == (Status.CLOSED, reason, None)
    [attempt] = after.attempts
    assert (attempt.agent, attempt.outcome, attempt.note) == ("kari", outcome, "snakket med pårørende")
    assert await moves(desk, callback.id) == [
        ("claimed", "kari", "waiting", "claimed"),
        ("attempt", "kari", None, None),
        ("closed", "kari", "claimed", "closed"),
    ]
    assert await desk.get(callback.id, scope=EVERYTHING) == after


async def test_unanswered_callback_waits_for_its_next_promise(desk: Desk, clock: FakeClock) -> None:
    callback = await claimed(desk)
    after = await desk.record_attempt(callback.id, "kari", 1, AttemptOutcome.NO_ANSWER, scope=EVERYTHING)
    assert after.status is Status.WAITING
    assert after.promise.from_ == clock.now() + timedelta(hours=2)
    assert (
        await desk.claim("kirurgi", "ole", scope=EVERYTHING) == []
    )  # not handed out at once to be called in vain again
    clock.set(after.promise.from_)
    [again] = await desk.claim("kirurgi", "ole", scope=EVERYTHING)
    assert again.id == callback.id
    assert again.attempts == after.attempts


async def test_early_attempt_is_stored_and_not_counted(desk: Desk) -> None:
    callback = await registered(desk, 1, "hjerte")
    [early] = await desk.claim("hjerte", "kari", scope=EVERYTHING)
    after = await desk.record_attempt(callback.id, "kari", early.fence, AttemptOutcome.BUSY, scope=EVERYTHING)
    assert [attempt.counted for attempt in after.attempts] == [False]
    assert (after.status, after.promise) == (Status.WAITING, callback.promise)


async def test_last_attempt_makes_it_unreachable_with_a_note(desk: Desk, clock: FakeClock) -> None:
    id = (await registered(desk, 1, "hjerte")).id
    for when in ("2026-11-24T09:02", "2026-11-24T12:05", "2026-11-25T09:01"):
        clock.set(datetime.fromisoformat(f"{when}+00:00"))
        [turn] = await desk.claim("hjerte", "kari", scope=EVERYTHING)
        after = await desk.record_attempt(id, "kari", turn.fence, AttemptOutcome.VOICEMAIL, scope=EVERYTHING)
    assert after.status is Status.UNREACHABLE
    assert after.note == "ringt x3: tir 10:02, tir 13:05, ons 10:01"
    assert [attempt.counted for attempt in after.attempts] == [True, True, True]
    assert (await moves(desk, id))[-2:] == [
        ("attempt", "kari", None, None),
        ("unreachable", "kari", "claimed", "unreachable"),
    ]
    assert await desk.claim("hjerte", "kari", scope=EVERYTHING) == []


async def test_dropped_call_goes_first_in_line(desk: Desk, clock: FakeClock) -> None:
    await registered(desk, 2)
    clock.advance(MINUTE)
    id = (await registered(desk, 1)).id
    turn = await desk.claim_named(id, "kari", scope=EVERYTHING)
    after = await desk.record_attempt(id, "kari", turn.fence, AttemptOutcome.DROPPED, scope=EVERYTHING)
    assert (after.status, after.priority) == (Status.WAITING, Priority.URGENT)
    assert [attempt.counted for attempt in after.attempts] == [False]
    assert [callback.id for callback in await desk.claim("kirurgi", "ole", scope=EVERYTHING)] == [id]


async def test_waiting_callback_can_be_closed_without_a_claim(desk: Desk) -> None:
    id = (await registered(desk)).id
    closed = await desk.close(
        id, "kari", ClosedReason.CANCELLED_BY_CALLER, fence=None, note="ringte selv", scope=EVERYTHING
    )
    assert (closed.status, closed.closed_reason, closed.note) == (
        Status.CLOSED,
        ClosedReason.CANCELLED_BY_CALLER,
        "ringte selv",
    )
    with pytest.raises(IllegalMove):
        await desk.close(id, "kari", ClosedReason.OTHER, fence=None, scope=EVERYTHING)
    with pytest.raises(IllegalMove):
        await desk.claim_named(id, "kari", scope=EVERYTHING)


async def test_closing_another_agents_callback_is_refused_during_the_lease(desk: Desk, clock: FakeClock) -> None:
    callback = await claimed(desk)
    with pytest.raises(AlreadyClaimed):
        await desk.close(callback.id, "ole", ClosedReason.OTHER, fence=None, scope=EVERYTHING)
    with pytest.raises(ClaimLost):
        await desk.close(callback.id, "kari", ClosedReason.OTHER, fence=None, scope=EVERYTHING)
    clock.advance(15 * MINUTE)
    assert (
        await desk.close(callback.id, "ole", ClosedReason.OTHER, fence=None, scope=EVERYTHING)
    ).status is Status.CLOSED


async def test_claimed_callback_is_closed_with_its_fence(desk: Desk) -> None:
    callback = await claimed(desk)
    closed = await desk.close(callback.id, "kari", ClosedReason.DUPLICATE, fence=1, scope=EVERYTHING)
    assert (closed.status, closed.claimed_by, closed.lease_until) == (Status.CLOSED, None, None)


async def test_reopened_callback_waits_with_a_new_promise(desk: Desk, clock: FakeClock) -> None:
    callback = await registered(desk)
    await desk.close(callback.id, "kari", ClosedReason.OTHER, fence=None, scope=EVERYTHING)
    clock.advance(timedelta(days=1))
    again = await desk.reopen(callback.id, "kari", scope=EVERYTHING)
    assert (again.status, again.closed_reason) == (Status.WAITING, None)
    assert again.promise.by > clock.now()
    with pytest.raises(IllegalMove):
        await desk.reopen(callback.id, "kari", scope=EVERYTHING)


async def test_reopening_is_refused_when_the_person_has_an_open_callback(desk: Desk) -> None:
    callback = await registered(desk)
    await desk.close(callback.id, "kari", ClosedReason.OTHER, fence=None, scope=EVERYTHING)
    await desk.register(call(2), "kirurgi", person(1), phone(1))
    with pytest.raises(IllegalMove):
        await desk.reopen(callback.id, "kari", scope=EVERYTHING)


async def test_every_transition_leaves_one_history_row_in_order(desk: Desk, clock: FakeClock) -> None:
    callback = await claimed(desk)
    await desk.record_attempt(callback.id, "kari", 1, AttemptOutcome.DROPPED, scope=EVERYTHING)
    await desk.claim("kirurgi", "ole", scope=EVERYTHING)
    clock.advance(15 * MINUTE)
    await desk.expire_leases()
    await desk.close(callback.id, "ole", ClosedReason.OTHER, fence=None, scope=EVERYTHING)
    await desk.reopen(callback.id, "ole", scope=EVERYTHING)
    rows = await desk.history(callback.id, scope=EVERYTHING)
    chain = [row for row in rows if row.to_status]
    assert [row.from_status for row in chain[1:]] == [row.to_status for row in chain[:-1]]
    assert [row.id for row in rows] == sorted({row.id for row in rows})
    assert chain[-1].to_status == (await desk.get(callback.id, scope=EVERYTHING)).status
