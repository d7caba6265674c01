"""Registering: one open callback for a person and department, one effect for a call; on both engines."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from desk.access.permissions import EVERYTHING, Scope
from desk.callbacks.model import AttemptOutcome, IncompleteStep
from desk.callbacks.queue import Desk
from desk.database.engine import Database
from desk.departments.errors import DepartmentNotFound
from desk.inquiries.model import ClosedReason, Priority, Status
from desk.schema import tables
from tests.support.desk.desk import call, make_desk, person, phone
from tests.support.fakes import FakeClock


async def count(database: Database, table: str) -> int:
    async with database.read() as connection:
        return (await connection.execute(select(func.count()).select_from(tables.metadata.tables[table]))).scalar_one()


async def events(desk: Desk, id: str) -> list[str]:
    return [row.event for row in await desk.history(id, scope=EVERYTHING)]


async def unreachable(desk: Desk, clock: FakeClock, id: str) -> None:
    for _ in range(3):
        claimed = await desk.claim_named(id, "kari", scope=EVERYTHING)
        await desk.record_attempt(id, "kari", claimed.fence, AttemptOutcome.NO_ANSWER, scope=EVERYTHING)
        clock.advance(timedelta(hours=2))
    assert (await desk.get(id, scope=EVERYTHING)).status is Status.UNREACHABLE


async def test_first_call_is_stored_with_its_promise(desk: Desk, clock: FakeClock) -> None:
    registration = await desk.register(call(1), "kirurgi", person(1), phone(1), language="en")
    assert registration.created
    callback = registration.callback
    assert (callback.status, callback.priority, callback.call_count) == (Status.WAITING, Priority.NORMAL, 1)
    assert (callback.phone, callback.language, callback.version, callback.fence) == (phone(1), "en", 1, 0)
    assert callback.patient_masked == person(1).masked
    assert callback.created_at == clock.now() and callback.created_at.utcoffset() == timedelta(0)
    assert callback.promise_spoken == "today by 15:00"
    assert await desk.get(callback.id, scope=EVERYTHING) == callback
    [row] = await desk.history(callback.id, scope=EVERYTHING)
    assert (row.event, row.actor, row.from_status, row.to_status) == ("registered", "caller", None, Status.WAITING)
    [recorded] = (await desk.calls(scope=Scope.of(["kirurgi"]), incomplete=False, cursor=None, limit=10)).items
    assert (recorded.key, recorded.callback_id, recorded.incomplete) == (call(1), callback.id, False)


async def test_repeated_registration_of_a_call_changes_nothing(desk: Desk, database: Database) -> None:
    first = await desk.register(call(1), "kirurgi", person(1), phone(1))
    again = await desk.register(call(1), "kirurgi", person(1), phone(2))
    assert not again.created
    assert again.callback == first.callback
    assert [await count(database, table) for table in ("callbacks", "calls", "history", "promises")] == [1, 1, 1, 1]


async def test_repeat_call_raises_the_count_and_stores_the_newest_phone(desk: Desk) -> None:
    first = await desk.register(call(1), "kirurgi", person(1), phone(1))
    again = await desk.register(call(2), "kirurgi", person(1), phone(2))
    assert not again.created
    assert again.callback.id == first.callback.id
    assert (again.callback.call_count, again.callback.phone, again.callback.version) == (2, phone(2), 2)
    assert again.callback.promise == first.callback.promise
    history = await desk.history(first.callback.id, scope=EVERYTHING)
    assert history[-1].event == "rang_again"
    assert history[-1].details == {"call_count": 2, "other_phone": True}


async def test_phone_identifies_a_caller_without_identity_number(desk: Desk) -> None:
    first = await desk.register(call(1), "kirurgi", None, phone(1))
    again = await desk.register(call(2), "kirurgi", None, phone(1))
    other = await desk.register(call(3), "kirurgi", None, phone(2))
    assert (again.created, again.callback.id) == (False, first.callback.id)
    assert other.created
    assert first.callback.patient_masked is None


async def test_two_people_with_one_phone_have_a_callback_each(desk: Desk) -> None:
    made = [
        await desk.register(call(n), "kirurgi", who, phone(1)) for n, who in enumerate([person(1), person(2), None])
    ]
    assert all(registration.created for registration in made)
    assert len({registration.callback.id for registration in made}) == 3


async def test_departments_have_separate_callbacks(desk: Desk) -> None:
    await desk.register(call(1), "kirurgi", person(1), phone(1))
    assert (await desk.register(call(2), "hjerte", person(1), phone(1))).created


async def test_call_to_an_unknown_department_stores_nothing(desk: Desk, database: Database) -> None:
    with pytest.raises(DepartmentNotFound):
        await desk.register(call(1), "øre-nese-hals", person(1), phone(1))
    assert await count(database, "callbacks") == await count(database, "calls") == 0


async def test_closed_callback_is_kept_and_a_new_one_created(desk: Desk) -> None:
    first = await desk.register(call(1), "kirurgi", person(1), phone(1))
    await desk.close(first.callback.id, "kari", ClosedReason.DUPLICATE, fence=None, scope=EVERYTHING)
    again = await desk.register(call(2), "kirurgi", person(1), phone(1))
    assert again.created
    assert again.callback.id != first.callback.id
    assert (await desk.get(first.callback.id, scope=EVERYTHING)).status is Status.CLOSED


async def test_unreachable_person_who_calls_waits_again_with_new_attempts(desk: Desk, clock: FakeClock) -> None:
    id = (await desk.register(call(1), "kirurgi", person(1), phone(1))).callback.id
    await unreachable(desk, clock, id)
    again = await desk.register(call(2), "kirurgi", person(1), phone(1))
    assert (again.created, again.callback.id, again.callback.status) == (False, id, Status.WAITING)
    assert again.callback.promise.by > clock.now()
    assert len(again.callback.attempts) == 3
    row = (await desk.history(id, scope=EVERYTHING))[-1]
    assert (row.event, row.from_status, row.to_status) == ("rang_again", Status.UNREACHABLE, Status.WAITING)
    clock.set(again.callback.promise.from_)
    claimed = await desk.claim_named(id, "kari", scope=EVERYTHING)
    assert (
        await desk.record_attempt(id, "kari", claimed.fence, AttemptOutcome.NO_ANSWER, scope=EVERYTHING)
    ).status is Status.WAITING


async def test_broken_promise_is_renewed_and_goes_first_in_line(
    desk: Desk, clock: FakeClock, database: Database
) -> None:
    broken = (await desk.register(call(1), "kirurgi", person(1), phone(1))).callback
    clock.set(broken.promise.by)
    again = (await desk.register(call(2), "kirurgi", person(1), phone(1))).callback
    assert again.promise.by > clock.now()
    assert again.priority is Priority.URGENT
    assert await count(database, "promises") == 2


async def test_simultaneous_calls_by_one_person_make_one_callback_with_the_right_count(
    desk: Desk, database: Database
) -> None:
    made = await asyncio.gather(*(desk.register(call(n), "kirurgi", person(1), phone(1)) for n in range(8)))
    assert sum(registration.created for registration in made) == 1
    assert {registration.callback.id for registration in made} == {made[0].callback.id}
    assert (await desk.get(made[0].callback.id, scope=EVERYTHING)).call_count == 8
    assert sorted(registration.callback.call_count for registration in made) == list(range(1, 9))
    assert [await count(database, table) for table in ("callbacks", "calls", "promises")] == [1, 8, 1]


async def test_call_registered_many_times_at_once_counts_once(desk: Desk, database: Database) -> None:
    made = await asyncio.gather(*(desk.register(call(1), "kirurgi", None, phone(1)) for _ in range(8)))
    assert sum(registration.created for registration in made) == 1
    assert (await desk.get(made[0].callback.id, scope=EVERYTHING)).call_count == 1
    assert [await count(database, table) for table in ("callbacks", "calls", "history")] == [1, 1, 1]


async def test_two_desks_on_one_database_share_one_callback(desk: Desk, database: Database, clock: FakeClock) -> None:
    other = make_desk(Database(str(database.engine.url), pool_size=3), clock)
    both = [each.register(call(n), "hjerte", person(1), phone(1)) for n in range(3) for each in (desk, other)]
    made = await asyncio.gather(*both)
    assert sum(registration.created for registration in made) == 1
    assert (await other.get(made[0].callback.id, scope=EVERYTHING)).call_count == 3
    await other._database.close()


async def test_incomplete_call_is_stored_with_its_step(desk: Desk) -> None:
    await desk.record_call(call(1), "kirurgi", phone=phone(1), step=IncompleteStep.IDENTITY)
    await desk.record_call(call(2), "kirurgi", phone=None, step=IncompleteStep.WELCOME)
    first, second = (await desk.calls(scope=Scope.of(["kirurgi"]), incomplete=True, cursor=None, limit=10)).items
    assert (first.key, first.phone, first.step) == (call(1), phone(1), IncompleteStep.IDENTITY)
    assert (second.phone, second.step, second.callback_id) == (None, IncompleteStep.WELCOME, None)


async def test_incomplete_call_recorded_twice_is_one_row_with_the_last_step(desk: Desk, database: Database) -> None:
    for step in (IncompleteStep.WELCOME, IncompleteStep.PHONE):
        await desk.record_call(call(1), "kirurgi", phone=phone(1), step=step)
    assert await count(database, "calls") == 1
    [kept] = (await desk.calls(scope=Scope.of(["kirurgi"]), incomplete=None, cursor=None, limit=10)).items
    assert kept.step is IncompleteStep.PHONE


async def test_registered_call_never_becomes_incomplete(desk: Desk) -> None:
    id = (await desk.register(call(1), "kirurgi", None, phone(1))).callback.id
    await desk.record_call(call(1), "kirurgi", phone=None, step=IncompleteStep.CONFIRMATION)
    [kept] = (await desk.calls(scope=Scope.of(["kirurgi"]), incomplete=None, cursor=None, limit=10)).items
    assert (kept.incomplete, kept.callback_id, kept.phone) == (False, id, phone(1))


async def test_incomplete_call_that_registers_later_is_complete(desk: Desk) -> None:
    await desk.record_call(call(1), "kirurgi", phone=None, step=IncompleteStep.PHONE)
    registration = await desk.register(call(1), "kirurgi", None, phone(1))
    assert registration.created
    [kept] = (await desk.calls(scope=Scope.of(["kirurgi"]), incomplete=None, cursor=None, limit=10)).items
    assert (kept.incomplete, kept.step, kept.callback_id) == (False, None, registration.callback.id)


async def test_hang_up_during_the_write_keeps_the_callback_complete(desk: Desk, database: Database) -> None:
    for n in range(10):
        task = asyncio.create_task(desk.register(call(n), "kirurgi", None, phone(n)))
        for _ in range(n):
            await asyncio.sleep(0)
        task.cancel()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    kept = await count(database, "callbacks")
    assert kept >= 9  # only the one cancelled before its first step is not there
    assert [await count(database, table) for table in ("calls", "history", "promises")] == [kept] * 3


async def test_identity_numbers_are_sealed_and_nowhere_in_clear(desk: Desk, database: Database) -> None:
    number = person(1)
    id = (await desk.register(call(1), "kirurgi", number, phone(1))).callback.id
    assert await desk.patient(id, "kari", scope=EVERYTHING) == number
    assert (await events(desk, id))[-1] == "patient_viewed"
    assert (await desk.history(id, scope=EVERYTHING))[-1].actor == "kari"
    async with database.read() as connection:
        for table in tables.metadata.sorted_tables:
            for row in await connection.execute(select(table)):
                assert number.value not in repr(tuple(row))


async def test_callback_without_a_patient_shows_none_and_records_no_view(desk: Desk) -> None:
    id = (await desk.register(call(1), "kirurgi", None, phone(1))).callback.id
    assert await desk.patient(id, "kari", scope=EVERYTHING) is None
    assert await events(desk, id) == ["registered"]
