"""Registering: one open callback for a person and department, one effect for a call; on both engines."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select

from desk.access.actor import CALLER, SYSTEM
from desk.access.permissions import Scope
from desk.callbacks.errors import CallNotFound
from desk.callbacks.model import AttemptOutcome, CallKey, IncompleteStep, RecordedCall, WhyEnded
from desk.callbacks.services import CallbackServices
from desk.database.engine import Database
from desk.departments.errors import DepartmentNotFound
from desk.inquiries.model import ClosedReason, Priority, Status
from desk.schema import tables
from tests.support.desk.desk import as_agent, call, make_desk, person, phone
from tests.support.desk.rows import count
from tests.support.fakes import FakeClock


async def events(desk: CallbackServices, id: str) -> list[str]:
    return [row.event for row in await desk.lists.history(SYSTEM, id)]


async def unreachable(desk: CallbackServices, clock: FakeClock, id: str) -> None:
    for _ in range(3):
        claimed = await desk.claiming.claim_named(as_agent("kari"), id)
        await desk.outcomes.record_attempt(as_agent("kari"), id, claimed.fence, AttemptOutcome.NO_ANSWER)
        clock.advance(timedelta(hours=2))
    assert (await desk.lists.get(SYSTEM, id)).status is Status.UNREACHABLE


async def test_first_call_is_stored_with_its_promise(desk: CallbackServices, clock: FakeClock) -> None:
    registration = await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1), language="en")
    assert registration.created
    callback = registration.callback
    assert (callback.status, callback.priority, callback.call_count) == (Status.WAITING, Priority.NORMAL, 1)
    assert (callback.phone, callback.language, callback.version, callback.fence) == (phone(1), "en", 1, 0)
    assert callback.patient_masked == person(1).masked
    assert callback.created_at == clock.now() and callback.created_at.utcoffset() == timedelta(0)
    assert callback.promise_spoken == "today by 15:00"
    assert await desk.lists.get(SYSTEM, callback.id) == callback
    [row] = await desk.lists.history(SYSTEM, callback.id)
    assert (row.event, row.actor, row.from_status, row.to_status) == ("registered", "caller", None, Status.WAITING)
    [recorded] = (
        await desk.lists.calls(as_agent("reader", Scope.of(["kirurgi"])), incomplete=False, cursor=None, limit=10)
    ).items
    assert (recorded.key, recorded.callback_id, recorded.incomplete) == (call(1), callback.id, False)


async def test_repeated_registration_of_a_call_changes_nothing(desk: CallbackServices, database: Database) -> None:
    first = await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))
    again = await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(2))
    assert not again.created
    assert again.callback == first.callback
    assert [await count(database, table) for table in ("callbacks", "calls", "history", "promises")] == [1, 1, 1, 1]


async def test_repeat_call_raises_the_count_and_adds_another_phone(desk: CallbackServices) -> None:
    first = await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))
    again = await desk.registration.register(CALLER, call(2), "kirurgi", person(1), phone(2))
    assert not again.created
    assert again.callback.id == first.callback.id
    assert (again.callback.call_count, again.callback.phone) == (2, phone(1))
    assert again.callback.added_phone == phone(2).e164
    assert again.callback.promise == first.callback.promise
    history = await desk.lists.history(SYSTEM, first.callback.id)
    assert [each.event for each in history[-2:]] == ["rang_again", "phone_added"]
    assert history[-2].details == {"call_count": 2, "other_phone": True}


async def test_phone_identifies_a_caller_without_identity_number(desk: CallbackServices) -> None:
    first = await desk.registration.register(CALLER, call(1), "kirurgi", None, phone(1))
    again = await desk.registration.register(CALLER, call(2), "kirurgi", None, phone(1))
    other = await desk.registration.register(CALLER, call(3), "kirurgi", None, phone(2))
    assert (again.created, again.callback.id) == (False, first.callback.id)
    assert other.created
    assert first.callback.patient_masked is None


async def test_two_people_with_one_phone_have_a_callback_each(desk: CallbackServices) -> None:
    made = [
        await desk.registration.register(CALLER, call(n), "kirurgi", who, phone(1))
        for n, who in enumerate([person(1), person(2), None])
    ]
    assert all(registration.created for registration in made)
    assert len({registration.callback.id for registration in made}) == 3


async def test_departments_have_separate_callbacks(desk: CallbackServices) -> None:
    await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))
    assert (await desk.registration.register(CALLER, call(2), "hjerte", person(1), phone(1))).created


async def test_call_to_an_unknown_department_stores_nothing(desk: CallbackServices, database: Database) -> None:
    with pytest.raises(DepartmentNotFound):
        await desk.registration.register(CALLER, call(1), "øre-nese-hals", person(1), phone(1))
    assert await count(database, "callbacks") == await count(database, "calls") == 0


async def test_closed_callback_is_kept_and_a_new_one_created(desk: CallbackServices) -> None:
    first = await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))
    await desk.outcomes.close(as_agent("kari"), first.callback.id, ClosedReason.DUPLICATE, fence=None)
    again = await desk.registration.register(CALLER, call(2), "kirurgi", person(1), phone(1))
    assert again.created
    assert again.callback.id != first.callback.id
    assert (await desk.lists.get(SYSTEM, first.callback.id)).status is Status.CLOSED


async def test_unreachable_person_who_calls_waits_again_with_new_attempts(
    desk: CallbackServices, clock: FakeClock
) -> None:
    id = (await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))).callback.id
    await unreachable(desk, clock, id)
    again = await desk.registration.register(CALLER, call(2), "kirurgi", person(1), phone(1))
    assert (again.created, again.callback.id, again.callback.status) == (False, id, Status.WAITING)
    assert again.callback.promise.by > clock.now()
    assert len(again.callback.attempts) == 3
    row = (await desk.lists.history(SYSTEM, id))[-1]
    assert (row.event, row.from_status, row.to_status) == ("rang_again", Status.UNREACHABLE, Status.WAITING)
    clock.set(again.callback.promise.from_)
    claimed = await desk.claiming.claim_named(as_agent("kari"), id)
    assert (
        await desk.outcomes.record_attempt(as_agent("kari"), id, claimed.fence, AttemptOutcome.NO_ANSWER)
    ).status is Status.WAITING


async def test_broken_promise_is_renewed_and_goes_first_in_line(
    desk: CallbackServices, clock: FakeClock, database: Database
) -> None:
    broken = (await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))).callback
    clock.set(broken.promise.by)
    again = (await desk.registration.register(CALLER, call(2), "kirurgi", person(1), phone(1))).callback
    assert again.promise.by > clock.now()
    assert again.priority is Priority.URGENT
    assert await count(database, "promises") == 2


async def test_simultaneous_calls_by_one_person_make_one_callback_with_the_right_count(
    desk: CallbackServices, database: Database
) -> None:
    made = await asyncio.gather(
        *(desk.registration.register(CALLER, call(n), "kirurgi", person(1), phone(1)) for n in range(8))
    )
    assert sum(registration.created for registration in made) == 1
    assert {registration.callback.id for registration in made} == {made[0].callback.id}
    assert (await desk.lists.get(SYSTEM, made[0].callback.id)).call_count == 8
    assert sorted(registration.callback.call_count for registration in made) == list(range(1, 9))
    assert [await count(database, table) for table in ("callbacks", "calls", "promises")] == [1, 8, 1]


async def test_call_registered_many_times_at_once_counts_once(desk: CallbackServices, database: Database) -> None:
    made = await asyncio.gather(
        *(desk.registration.register(CALLER, call(1), "kirurgi", None, phone(1)) for _ in range(8))
    )
    assert sum(registration.created for registration in made) == 1
    assert (await desk.lists.get(SYSTEM, made[0].callback.id)).call_count == 1
    assert [await count(database, table) for table in ("callbacks", "calls", "history")] == [1, 1, 1]


async def test_two_desks_on_one_database_share_one_callback(
    desk: CallbackServices, database: Database, clock: FakeClock
) -> None:
    other = make_desk(Database(str(database.engine.url), pool_size=3), clock)
    both = [
        each.registration.register(CALLER, call(n), "hjerte", person(1), phone(1))
        for n in range(3)
        for each in (desk, other)
    ]
    made = await asyncio.gather(*both)
    assert sum(registration.created for registration in made) == 1
    assert (await other.lists.get(SYSTEM, made[0].callback.id)).call_count == 3
    await other.lists._database.close()


async def test_incomplete_call_is_stored_with_its_step(desk: CallbackServices) -> None:
    await desk.registration.record_call(CALLER, call(1), "kirurgi", phone=phone(1), step=IncompleteStep.IDENTITY)
    await desk.registration.record_call(CALLER, call(2), "kirurgi", phone=None, step=IncompleteStep.WELCOME)
    first, second = (
        await desk.lists.calls(as_agent("reader", Scope.of(["kirurgi"])), incomplete=True, cursor=None, limit=10)
    ).items
    assert (first.key, first.phone, first.step) == (call(1), phone(1), IncompleteStep.IDENTITY)
    assert (second.phone, second.step, second.callback_id) == (None, IncompleteStep.WELCOME, None)


async def test_incomplete_call_recorded_twice_is_one_row_with_the_last_step(
    desk: CallbackServices, database: Database
) -> None:
    for step in (IncompleteStep.WELCOME, IncompleteStep.PHONE):
        await desk.registration.record_call(CALLER, call(1), "kirurgi", phone=phone(1), step=step)
    assert await count(database, "calls") == 1
    [kept] = (
        await desk.lists.calls(as_agent("reader", Scope.of(["kirurgi"])), incomplete=None, cursor=None, limit=10)
    ).items
    assert kept.step is IncompleteStep.PHONE


async def test_registered_call_never_becomes_incomplete(desk: CallbackServices) -> None:
    id = (await desk.registration.register(CALLER, call(1), "kirurgi", None, phone(1))).callback.id
    await desk.registration.record_call(CALLER, call(1), "kirurgi", phone=None, step=IncompleteStep.CONFIRMATION)
    [kept] = (
        await desk.lists.calls(as_agent("reader", Scope.of(["kirurgi"])), incomplete=None, cursor=None, limit=10)
    ).items
    assert (kept.incomplete, kept.callback_id, kept.phone) == (False, id, phone(1))


async def test_incomplete_call_that_registers_later_is_complete(desk: CallbackServices) -> None:
    await desk.registration.record_call(CALLER, call(1), "kirurgi", phone=None, step=IncompleteStep.PHONE)
    registration = await desk.registration.register(CALLER, call(1), "kirurgi", None, phone(1))
    assert registration.created
    [kept] = (
        await desk.lists.calls(as_agent("reader", Scope.of(["kirurgi"])), incomplete=None, cursor=None, limit=10)
    ).items
    assert (kept.incomplete, kept.step, kept.callback_id) == (False, None, registration.callback.id)


async def test_hang_up_during_the_write_keeps_the_callback_complete(desk: CallbackServices, database: Database) -> None:
    for n in range(10):
        task = asyncio.create_task(desk.registration.register(CALLER, call(n), "kirurgi", None, phone(n)))
        for _ in range(n):
            await asyncio.sleep(0)
        task.cancel()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    kept = await count(database, "callbacks")
    assert kept >= 9  # only the one cancelled before its first step is not there
    assert [await count(database, table) for table in ("calls", "history", "promises")] == [kept] * 3


async def test_identity_numbers_are_sealed_and_nowhere_in_clear(desk: CallbackServices, database: Database) -> None:
    number = person(1)
    id = (await desk.registration.register(CALLER, call(1), "kirurgi", number, phone(1))).callback.id
    assert await desk.identity_reveal.reveal(as_agent("kari"), id) == number
    assert (await events(desk, id))[-1] == "patient_viewed"
    assert (await desk.lists.history(SYSTEM, id))[-1].actor == "kari"
    async with database.read() as connection:
        for table in tables.metadata.sorted_tables:
            for row in await connection.execute(select(table)):
                assert number.value not in repr(tuple(row))


async def test_callback_without_a_patient_shows_none_and_records_no_view(desk: CallbackServices) -> None:
    id = (await desk.registration.register(CALLER, call(1), "kirurgi", None, phone(1))).callback.id
    assert await desk.identity_reveal.reveal(as_agent("kari"), id) is None
    assert await events(desk, id) == ["registered"]


async def listed(desk: CallbackServices, *, incomplete: bool | None) -> list[RecordedCall]:
    reader = as_agent("reader", Scope.of(["kirurgi"]))
    return list((await desk.lists.calls(reader, incomplete=incomplete, cursor=None, limit=10)).items)


async def test_call_on_the_line_is_listed_but_not_as_incomplete_until_it_ends(desk: CallbackServices) -> None:
    await desk.registration.record_arrival(CALLER, call(1), "kirurgi", phone=phone(1))
    await desk.registration.record_arrival(CALLER, call(1), "kirurgi", phone=phone(1))
    [arrived] = await listed(desk, incomplete=None)
    assert (arrived.phone, arrived.step, arrived.why) == (phone(1), None, None)
    assert await listed(desk, incomplete=True) == []
    await desk.registration.record_call(CALLER, call(1), "kirurgi", phone=phone(1), step=IncompleteStep.IDENTITY)
    [ended] = await listed(desk, incomplete=True)
    assert (ended.step, ended.why) == (IncompleteStep.IDENTITY, WhyEnded.HUNG_UP)


async def test_call_without_a_recorded_end_is_incomplete_after_fifteen_minutes(
    desk: CallbackServices, clock: FakeClock
) -> None:
    await desk.registration.record_arrival(CALLER, call(1), "kirurgi", phone=phone(1))
    clock.advance(timedelta(minutes=16))
    [kept] = await listed(desk, incomplete=True)
    assert (kept.key, kept.why) == (call(1), None)


async def test_arrival_that_is_recorded_late_changes_nothing(desk: CallbackServices) -> None:
    await desk.registration.register(CALLER, call(1), "kirurgi", None, phone(1))
    await desk.registration.record_arrival(CALLER, call(1), "kirurgi", phone=None)
    [kept] = await listed(desk, incomplete=None)
    assert (kept.incomplete, kept.phone) == (False, phone(1))


async def test_lost_calls_of_one_asterisk_are_ended_except_those_that_go_on(desk: CallbackServices) -> None:
    other = CallKey("another-asterisk", "9.9")
    for key in (call(1), call(2), call(3), other):
        await desk.registration.record_arrival(CALLER, key, "kirurgi", phone=phone(1))
    await desk.registration.record_call(CALLER, call(2), "kirurgi", phone=phone(1), step=IncompleteStep.WELCOME)
    ended = await desk.registration.end_lost_calls(CALLER, call(1).asterisk_id, excluding={call(3).channel_id})
    assert ended == 1
    found = {each.key: each.why for each in await listed(desk, incomplete=None)}
    assert found == {call(1): WhyEnded.LOST, call(2): WhyEnded.HUNG_UP, call(3): None, other: None}
    await desk.registration.record_call(CALLER, call(1), "kirurgi", phone=phone(1), step=IncompleteStep.PHONE)
    assert (await listed(desk, incomplete=True))[0].why is WhyEnded.HUNG_UP, "what a task knows wins over a guess"


async def test_identity_number_of_an_incomplete_call_is_kept_sealed_and_shown_only_on_request(
    desk: CallbackServices,
) -> None:
    step = IncompleteStep.PHONE
    await desk.registration.record_call(CALLER, call(1), "kirurgi", phone=None, step=step, patient=person(1))
    [kept] = await listed(desk, incomplete=True)
    assert (kept.patient_kind, kept.patient_masked) == (person(1).kind, person(1).masked)
    assert await desk.identity_reveal.reveal_of_call(as_agent("kari"), kept.id) == person(1)
    with pytest.raises(CallNotFound):
        await desk.identity_reveal.reveal_of_call(as_agent("kari", Scope.of(["hjerte"])), kept.id)


async def test_call_that_goes_on_is_registered_for_the_person_it_has_named(desk: CallbackServices) -> None:
    step = IncompleteStep.PHONE
    await desk.registration.record_call(CALLER, call(1), "kirurgi", phone=None, step=step, patient=person(1))
    stored = await desk.registration.register(CALLER, call(1), "kirurgi", None, phone(1))
    assert stored.callback.patient_masked == person(1).masked
    [kept] = await listed(desk, incomplete=False)
    assert (kept.patient_masked, kept.callback_id) == (None, stored.callback.id)
    assert await desk.identity_reveal.reveal_of_call(as_agent("kari"), kept.id) is None
