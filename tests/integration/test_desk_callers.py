"""Repeat calls: found by person or phone, counted, cancelled, with a changed number; on both engines."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from desk.access.actor import CALLER, SYSTEM
from desk.access.permissions import Scope
from desk.callbacks.errors import CallbackNotFound
from desk.callbacks.model import AttemptOutcome, Callback, IncompleteStep, WhyEnded
from desk.callbacks.repeat_callers import RepeatCallers
from desk.callbacks.services import CallbackServices
from desk.database.engine import Database
from desk.departments.errors import DepartmentNotFound
from desk.inquiries.errors import ClaimLost, IllegalMove
from desk.inquiries.model import ClosedReason, Priority, Status
from desk.vault.vault import Vault
from tests.support.desk.desk import DEPARTMENTS, KEYS, as_agent, call, person, phone
from tests.support.fakes import FakeClock

MINUTE = timedelta(minutes=1)


@pytest.fixture
def callers(database: Database, clock: FakeClock) -> RepeatCallers:
    return RepeatCallers(database=database, departments=lambda: DEPARTMENTS, vault=Vault(**KEYS), clock=clock)


async def registered(desk: CallbackServices, n: int = 1, *, nameless: bool = False) -> Callback:
    return (
        await desk.registration.register(CALLER, call(n), "kirurgi", None if nameless else person(n), phone(n))
    ).callback


async def rows_of(desk: CallbackServices) -> list[Callback]:
    return (await desk.lists.page(as_agent("reader", Scope.of(["kirurgi"])), limit=50)).items


async def rung_in_vain(desk: CallbackServices, id: str) -> None:
    claimed = await desk.claiming.claim_named(as_agent("kari"), id)
    await desk.outcomes.record_attempt(as_agent("kari"), id, claimed.fence, AttemptOutcome.NO_ANSWER)


async def test_caller_without_an_open_callback_joins_none(callers: RepeatCallers, desk: CallbackServices) -> None:
    assert await callers.rang_again(CALLER, call(1), "kirurgi", person(1), phone(1)) is None
    await registered(desk, 2)
    assert await callers.rang_again(CALLER, call(1), "kirurgi", person(1), phone(1)) is None
    assert await callers.rang_again(CALLER, call(1), "hjerte", person(2), phone(2)) is None
    assert await callers.rang_again(CALLER, call(1), "kirurgi", None, None) is None
    assert (
        await desk.lists.calls(as_agent("reader", Scope.of(["kirurgi"])), incomplete=None, cursor=None, limit=9)
    ).items[1:] == []
    with pytest.raises(DepartmentNotFound):
        await callers.rang_again(CALLER, call(1), "nowhere", None, phone(1))


async def test_callback_is_found_by_person_from_any_phone_and_keeps_its_number(
    callers: RepeatCallers, desk: CallbackServices
) -> None:
    first = await registered(desk)
    standing = await callers.rang_again(CALLER, call(2), "kirurgi", person(1), phone(9), language="en")
    assert standing
    assert (standing.known_person, standing.is_new_call, standing.tried_in_vain, standing.late) == (
        True,
        True,
        False,
        False,
    )
    assert standing.callback == await desk.lists.get(SYSTEM, first.id)
    assert (standing.callback.call_count, standing.callback.phone, standing.callback.language) == (2, phone(1), "en")
    assert len(await rows_of(desk)) == 1
    recorded = (
        await desk.lists.calls(as_agent("reader", Scope.of(["kirurgi"])), incomplete=False, cursor=None, limit=9)
    ).items
    assert [(each.callback_id, each.phone) for each in recorded] == [(first.id, phone(1)), (first.id, phone(9))]
    assert [row.event for row in await desk.lists.history(SYSTEM, first.id)] == ["registered", "rang_again"]


async def test_repeated_call_is_counted_once(callers: RepeatCallers, desk: CallbackServices) -> None:
    first = await registered(desk)
    for anew in (True, False, False):
        standing = await callers.rang_again(CALLER, call(2), "kirurgi", person(1), phone(1))
        assert standing and (standing.is_new_call, standing.known_person) == (anew, True)
    assert (await desk.lists.get(SYSTEM, first.id)).call_count == 2


async def test_callback_found_by_phone_alone_is_not_identified(callers: RepeatCallers, desk: CallbackServices) -> None:
    first = await registered(desk)
    standing = await callers.rang_again(CALLER, call(2), "kirurgi", None, phone(1))
    assert standing and (standing.callback.id, standing.known_person) == (first.id, False)
    assert standing.callback.patient_masked == person(1).masked


async def test_another_person_on_the_same_phone_has_their_own_callback(
    callers: RepeatCallers, desk: CallbackServices
) -> None:
    await registered(desk)
    assert await callers.rang_again(CALLER, call(2), "kirurgi", person(2), phone(1)) is None


async def test_neither_of_two_people_on_one_phone_is_guessed(callers: RepeatCallers, desk: CallbackServices) -> None:
    await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))
    await desk.registration.register(CALLER, call(2), "kirurgi", person(2), phone(1))
    assert await callers.rang_again(CALLER, call(3), "kirurgi", None, phone(1)) is None
    standing = await callers.rang_again(CALLER, call(3), "kirurgi", person(2), phone(1))
    assert standing and standing.known_person


async def test_identity_number_given_later_is_added_to_the_same_callback(
    callers: RepeatCallers, desk: CallbackServices
) -> None:
    first = await registered(desk, nameless=True)
    standing = await callers.rang_again(CALLER, call(2), "kirurgi", person(1), phone(1))
    assert standing and (standing.callback.id, standing.known_person) == (first.id, False)  # it is no match yet
    assert await desk.identity_reveal.reveal(as_agent("kari"), first.id) == person(1)
    third = await callers.rang_again(CALLER, call(3), "kirurgi", person(1), phone(7))
    assert third and (third.callback.id, third.known_person) == (first.id, True)


async def test_number_of_callers_ahead_is_announced(
    callers: RepeatCallers, desk: CallbackServices, clock: FakeClock
) -> None:
    for n in (1, 2, 3, 4):
        await registered(desk, n)
        clock.advance(MINUTE)
    ahead = []
    for n in (1, 2, 3, 4):
        standing = await callers.rang_again(CALLER, call(10 + n), "kirurgi", person(n), None)
        ahead.append(standing and standing.ahead)
    assert ahead == [0, 1, 2, 3]
    await desk.claiming.claim(as_agent("kari"), "kirurgi", limit=2)
    again = [await callers.rang_again(CALLER, call(20 + n), "kirurgi", person(n), None) for n in (1, 4)]
    assert [standing and standing.ahead for standing in again] == [None, 1]


async def test_repeat_call_counts_during_a_claim_which_lasts(callers: RepeatCallers, desk: CallbackServices) -> None:
    first = await registered(desk)
    claimed = await desk.claiming.claim_named(as_agent("kari"), first.id)
    standing = await callers.rang_again(CALLER, call(2), "kirurgi", person(1), phone(1))
    assert standing and standing.ahead is None
    assert (standing.callback.status, standing.callback.call_count) == (Status.CLAIMED, 2)
    await desk.outcomes.record_attempt(as_agent("kari"), first.id, claimed.fence, AttemptOutcome.REACHED)


async def test_repeat_call_after_a_missed_attempt_is_first_in_line(
    callers: RepeatCallers, desk: CallbackServices, clock: FakeClock
) -> None:
    first = await registered(desk)
    clock.advance(MINUTE)
    await registered(desk, 2)
    await rung_in_vain(desk, first.id)
    standing = await callers.rang_again(CALLER, call(3), "kirurgi", None, phone(1))
    assert standing and standing.tried_in_vain
    assert (standing.callback.priority, standing.ahead) == (Priority.URGENT, 0)
    assert [each.id for each in await desk.claiming.claim(as_agent("kari"), "kirurgi")] == [first.id]


async def test_unreachable_callback_waits_again_first_in_line(
    callers: RepeatCallers, desk: CallbackServices, clock: FakeClock
) -> None:
    first = await registered(desk)
    for _ in range(3):
        await rung_in_vain(desk, first.id)
        clock.advance(timedelta(hours=2))
    assert (await desk.lists.get(SYSTEM, first.id)).status is Status.UNREACHABLE
    standing = await callers.rang_again(CALLER, call(2), "kirurgi", None, phone(1))
    assert standing and standing.tried_in_vain
    assert (standing.callback.status, standing.callback.priority) == (Status.WAITING, Priority.URGENT)
    assert standing.callback.promise.by > clock.now()


async def test_broken_promise_is_reported_as_late_with_a_new_one(
    callers: RepeatCallers, desk: CallbackServices, clock: FakeClock
) -> None:
    first = await registered(desk)
    clock.set(first.promise.by)
    standing = await callers.rang_again(CALLER, call(2), "kirurgi", person(1), phone(1))
    assert standing and standing.late
    assert standing.callback.promise.by > clock.now()


async def test_caller_may_cancel_even_a_claimed_callback(callers: RepeatCallers, desk: CallbackServices) -> None:
    first = await registered(desk)
    claimed = await desk.claiming.claim_named(as_agent("kari"), first.id)
    await callers.rang_again(CALLER, call(2), "kirurgi", person(1), phone(1))
    for _ in range(2):
        cancelled = await callers.cancel(CALLER, call(2))
        assert (cancelled.status, cancelled.closed_reason) == (Status.CLOSED, ClosedReason.CANCELLED_BY_CALLER)
    assert [row.event for row in await desk.lists.history(SYSTEM, first.id)].count("closed") == 1
    assert (await desk.lists.history(SYSTEM, first.id))[-1].actor == "caller"
    with pytest.raises(ClaimLost):
        await desk.outcomes.record_attempt(as_agent("kari"), first.id, claimed.fence, AttemptOutcome.REACHED)
    with pytest.raises(IllegalMove):
        await callers.change_phone(CALLER, call(2), phone(3))
    assert (await desk.registration.register(CALLER, call(3), "kirurgi", person(1), phone(1))).created


async def test_caller_may_change_the_number_of_the_callback(callers: RepeatCallers, desk: CallbackServices) -> None:
    first = await registered(desk)
    await callers.rang_again(CALLER, call(2), "kirurgi", person(1), phone(1))
    for _ in range(2):
        assert (await callers.change_phone(CALLER, call(2), phone(5))).phone == phone(5)
    assert (await desk.lists.get(SYSTEM, first.id)).phone == phone(5)
    assert [row.event for row in await desk.lists.history(SYSTEM, first.id)] == [
        "registered",
        "rang_again",
        "phone_changed",
    ]


async def test_call_that_joined_no_callback_changes_none(callers: RepeatCallers, desk: CallbackServices) -> None:
    first = await registered(desk)
    await desk.registration.record_call(CALLER, call(2), "kirurgi", phone=phone(1), step=IncompleteStep.WELCOME)
    for key in (call(2), call(3)):
        with pytest.raises(CallbackNotFound):
            await callers.cancel(CALLER, key)
        with pytest.raises(CallbackNotFound):
            await callers.change_phone(CALLER, key, phone(5))
    assert await desk.lists.get(SYSTEM, first.id) == first


async def test_simultaneous_repeat_calls_are_each_counted(callers: RepeatCallers, desk: CallbackServices) -> None:
    first = await registered(desk)
    await asyncio.gather(*(callers.rang_again(CALLER, call(n), "kirurgi", person(1), phone(1)) for n in range(2, 8)))
    assert (await desk.lists.get(SYSTEM, first.id)).call_count == 7
    assert len(await rows_of(desk)) == 1


async def test_reason_of_an_ended_call_is_kept_despite_a_later_hang_up(desk: CallbackServices) -> None:
    step = IncompleteStep.IDENTITY
    await desk.registration.record_call(
        CALLER, call(1), "kirurgi", phone=phone(1), step=step, why=WhyEnded.ASKED_FOR_PERSON
    )
    await desk.registration.record_call(CALLER, call(1), "kirurgi", phone=None, step=IncompleteStep.WELCOME)
    await desk.registration.record_call(CALLER, call(2), "kirurgi", phone=None, step=step)
    await desk.registration.record_call(CALLER, call(2), "kirurgi", phone=None, step=step, why=WhyEnded.NO_NUMBER)
    kept = (
        await desk.lists.calls(as_agent("reader", Scope.of(["kirurgi"])), incomplete=True, cursor=None, limit=9)
    ).items
    assert [(each.why, each.step, each.phone) for each in kept] == [
        (WhyEnded.ASKED_FOR_PERSON, step, phone(1)),
        (WhyEnded.NO_NUMBER, step, None),
    ]


async def test_call_from_another_phone_is_marked_and_adds_its_number(desk: CallbackServices) -> None:
    await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))
    standing = await desk.repeat_callers.rang_again(CALLER, call(2), "kirurgi", person(1), phone(2))
    assert standing and standing.known_person and not standing.own_phone
    changed = await desk.repeat_callers.add_phone(CALLER, call(2), phone(3))
    assert (changed.phone, changed.added_phone) == (phone(1), phone(3).e164)
    history = await desk.lists.history(SYSTEM, changed.id)
    assert [each.details.get("other_phone") for each in history if each.event in ("rang_again", "phone_added")] == [
        True,
        True,
    ]


async def test_someone_else_on_the_same_phone_gets_a_callback_of_their_own(desk: CallbackServices) -> None:
    first = await desk.registration.register(CALLER, call(1), "kirurgi", None, phone(1))
    standing = await desk.repeat_callers.rang_again(CALLER, call(2), "kirurgi", None, phone(1))
    assert standing and standing.callback.id == first.callback.id
    for _ in range(2):  # the same call again changes nothing
        other = await desk.registration.register(CALLER, call(2), "kirurgi", None, phone(1), another=True)
        assert other.callback.id != first.callback.id
    third = await desk.repeat_callers.rang_again(CALLER, call(3), "kirurgi", None, phone(1))
    assert third and third.callback.id == first.callback.id


async def test_identity_number_is_doubted_once_and_certain_again_after_a_second_call(
    callers: RepeatCallers, desk: CallbackServices
) -> None:
    first = await registered(desk)
    assert not first.identity_doubtful
    for _ in range(2):
        await callers.doubt_identity(CALLER, call(1))
    [doubtful] = await rows_of(desk)
    assert doubtful.identity_doubtful
    events = [each.event for each in await desk.lists.history(as_agent("kari"), first.id)]
    assert events.count("identity_doubted") == 1
    again = await callers.rang_again(CALLER, call(2), "kirurgi", person(1), phone(1))
    assert again and not again.callback.identity_doubtful


async def test_number_that_was_keyed_with_a_slip_is_doubtful_from_the_start(desk: CallbackServices) -> None:
    slip = replace(person(1), doubtful=True)
    stored = await desk.registration.register(CALLER, call(1), "kirurgi", slip, phone(1))
    assert stored.callback.identity_doubtful
    assert [each.identity_doubtful for each in await rows_of(desk)] == [True]


async def test_callback_without_an_identity_number_cannot_be_doubted(
    callers: RepeatCallers, desk: CallbackServices
) -> None:
    await registered(desk, nameless=True)
    await callers.doubt_identity(CALLER, call(1))
    assert [each.identity_doubtful for each in await rows_of(desk)] == [False]
    with pytest.raises(CallbackNotFound):
        await callers.doubt_identity(CALLER, call(9))
