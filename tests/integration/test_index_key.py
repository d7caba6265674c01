"""A change of the index key during calls: found by either key, recomputed, never two open callbacks; both engines."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import select, text, update
from typer.testing import CliRunner

from desk.access.actor import CALLER
from desk.callbacks import transitions
from desk.callbacks.model import Callback, CallKey
from desk.callbacks.services import CallbackServices, callback_services
from desk.database.engine import Database
from desk.database.unit_of_work import Unit
from desk.errors import SettingsError
from desk.idempotency.answers import Answer, Answers
from desk.inquiries.errors import IllegalMove
from desk.inquiries.model import ClosedReason, Status
from desk.inquiries.repository import PATIENT_NUMBER
from desk.key_rotation.keyring import Keyring
from desk.key_rotation.repository import KeyKind
from desk.key_rotation.rotation import Rotation
from desk.privacy.subject_access import SubjectAccess
from desk.schema.migrate import migrate
from desk.schema.tables import answers, inquiries
from desk.vault.vault import Vault
from innringing import app
from tests.support.desk.desk import DEPARTMENTS, as_agent, call, person, phone
from tests.support.desk.sealed_database import INDEX, NEW_INDEX, OLD, fill, index_vault, variables, written
from tests.support.fakes import FakeClock

c = inquiries.c
STEP_0, STEP_1, STEP_2, STEP_3 = (1,), (1, 2), (2, 1), (2,)
"""The versions of the index keys that a process has at each step of the change, the one in use first."""


def desk_of(database: Database, clock: FakeClock, versions: tuple[int, ...]) -> CallbackServices:
    return callback_services(
        database=database, departments=lambda: DEPARTMENTS, vault=index_vault(*versions), clock=clock
    )


def keyring(database: Database, vault: Vault) -> Keyring:
    return Keyring(database=database, vault=vault, clock=FakeClock())


async def versions_of(database: Database) -> dict[int, int]:
    """The number of callbacks with an index of each key."""
    found: dict[int, int] = {}
    async with database.read() as connection:
        for index in (await connection.execute(select(c.patient_index).where(c.patient_index.is_not(None)))).scalars():
            version = int.from_bytes(bytes(index)[:2], "big")
            found[version] = found.get(version, 0) + 1
    return found


# --- found by either key


@pytest.mark.parametrize(("first", "then"), [(STEP_1, STEP_2), (STEP_2, STEP_1)])
async def test_person_is_found_under_either_key(
    database: Database, clock: FakeClock, first: tuple[int, ...], then: tuple[int, ...]
) -> None:
    made = await desk_of(database, clock, first).registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))
    again = await desk_of(database, clock, then).registration.register(CALLER, call(2), "kirurgi", person(1), phone(2))
    assert (made.created, again.created) == (True, False)
    assert again.callback.id == made.callback.id
    assert await versions_of(database) == {first[0]: 1}


async def test_repeat_call_finds_only_its_own_person(database: Database, clock: FakeClock) -> None:
    await desk_of(database, clock, STEP_0).registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))
    callers = desk_of(database, clock, STEP_2).repeat_callers
    known = await callers.rang_again(CALLER, call(2), "kirurgi", person(1), phone(2))
    assert known is not None
    assert known.known_person
    assert await callers.rang_again(CALLER, call(3), "kirurgi", person(2), phone(1)) is None


async def test_subject_access_finds_rows_of_either_key(database: Database, clock: FakeClock) -> None:
    for n, versions in enumerate((STEP_0, STEP_3)):
        desk = desk_of(database, clock, versions)
        made = await desk.registration.register(CALLER, call(n), "kirurgi", person(1), phone(1))
        await desk.outcomes.close(as_agent("kari"), made.callback.id, ClosedReason.OTHER, fence=None)
    rights = SubjectAccess(database=database, vault=index_vault(*STEP_1), clock=clock)
    assert len((await rights.export(as_agent("per"), person(1)))["callbacks"]) == 2


async def test_closed_callback_is_not_reopened_when_another_is_open(database: Database, clock: FakeClock) -> None:
    old = await desk_of(database, clock, STEP_0).registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))
    await desk_of(database, clock, STEP_0).outcomes.close(
        as_agent("kari"), old.callback.id, ClosedReason.OTHER, fence=None
    )
    new = await desk_of(database, clock, STEP_2).registration.register(CALLER, call(2), "kirurgi", person(1), phone(2))
    assert new.created
    for versions in (STEP_1, STEP_2):
        with pytest.raises(IllegalMove, match="another callback of the same person is open"):
            await desk_of(database, clock, versions).outcomes.reopen(as_agent("kari"), old.callback.id)


async def test_repeated_request_is_recognised_under_either_key(database: Database, clock: FakeClock) -> None:
    async def work(unit: Unit) -> Answer:
        return Answer(201, "{}")

    for versions, given_before in ((STEP_0, False), (STEP_1, True), (STEP_2, True)):
        kept = Answers(database=database, vault=index_vault(*versions), clock=clock)
        assert (await kept.once(as_agent("kari"), "key", "request", work))[1] is given_before
    await keyring(database, index_vault(*STEP_0)).check()
    await keyring(database, index_vault(*STEP_2)).check()
    assert await keyring(database, index_vault(*STEP_2)).retire_unused() == []
    async with database.begin() as connection:
        await connection.execute(answers.delete())
    assert await keyring(database, index_vault(*STEP_2)).retire_unused() == [(KeyKind.INDEX, 1)]


async def test_client_key_is_not_stored_in_clear(database: Database, clock: FakeClock) -> None:
    """It may be any text, even a patient's number."""

    async def work(unit: Unit) -> Answer:
        return Answer(201, "{}")

    number, vault = person(1).value, index_vault(*STEP_0)
    kept = Answers(database=database, vault=vault, clock=clock)
    for given_before in (False, True):
        assert (await kept.once(as_agent("kari"), number, "request", work))[1] is given_before
    async with database.read() as connection:
        (key,) = (await connection.execute(select(answers.c.key))).scalars()
    assert number not in key


async def test_request_sent_to_several_processes_at_once_is_executed_once(migrated_url: str, clock: FakeClock) -> None:
    """Also while they store its key with different index keys."""
    done = list[int]()

    async def work(unit: Unit) -> Answer:
        done.append(1)
        await asyncio.sleep(0)
        return Answer(201, "{}")

    async with AsyncExitStack() as stack:
        kept = []
        for versions in (STEP_1, STEP_2) * 4:
            database = Database(migrated_url, pool_size=2)
            stack.push_async_callback(database.close)
            kept.append(Answers(database=database, vault=index_vault(*versions), clock=clock))
        replies = await asyncio.gather(*(each.once(as_agent("kari"), "key", "request", work) for each in kept))
    assert sorted(before for _, before in replies) == [False] + [True] * 7
    assert len(done) == 1


# --- never two open callbacks


@asynccontextmanager
async def processes(url: str, clock: FakeClock, steps: list[tuple[int, ...]]) -> AsyncIterator[list[CallbackServices]]:
    """A desk for each, with its own connection pool, as in separate processes."""
    async with AsyncExitStack() as stack:
        desks = []
        for versions in steps:
            database = Database(url, pool_size=4)
            stack.push_async_callback(database.close)
            desks.append(desk_of(database, clock, versions))
        yield desks


async def open_of_each(database: Database) -> list[int]:
    """The number of open callbacks of each person in a department, by the unsealed number."""
    vault, found = index_vault(*STEP_1), dict[str, int]()
    async with database.read() as connection:
        for row in await connection.execute(select(c.id, c.patient_number).where(c.status != Status.CLOSED.value)):
            number = vault.open(bytes(row.patient_number), PATIENT_NUMBER, row.id)
            found[number] = found.get(number, 0) + 1
    return list(found.values())


async def ring_at_once(desks: list[CallbackServices], people: int) -> None:
    keys = (CallKey("race", str(n)) for n in itertools.count())
    for n in range(people):
        await asyncio.gather(
            *(desk.registration.register(CALLER, next(keys), "kirurgi", person(n), phone(n)) for desk in desks * 2)
        )


async def test_processes_with_the_keys_in_either_order_make_one_callback(
    database: Database, migrated_url: str, clock: FakeClock
) -> None:
    people = 15
    rotating = Rotation(database=database, vault=index_vault(*STEP_2), clock=clock, rows_a_step=3, rest=0)
    async with processes(migrated_url, clock, [STEP_1, STEP_2, STEP_1, STEP_2]) as desks:
        await asyncio.gather(ring_at_once(desks, people), *(rotating.rotate() for _ in range(2)))
        assert await open_of_each(database) == [1] * people
    await rotating.rotate()
    assert await versions_of(database) == {2: people}


async def test_second_caller_waits_and_joins(
    database: Database, migrated_url: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registration paused between its query and its row blocks the other, which then finds the first one's row."""
    looked, go_on = asyncio.Event(), asyncio.Event()

    async def held(*given: Any, **more: Any) -> Callback:
        looked.set()
        await go_on.wait()
        return await make(*given, **more)

    make = transitions.add_callback
    monkeypatch.setattr("desk.callbacks.transitions.add_callback", held)
    async with processes(migrated_url, clock, [STEP_1, STEP_2]) as (one, other), asyncio.TaskGroup() as calls:
        first = calls.create_task(one.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1)))
        await looked.wait()
        second = calls.create_task(other.registration.register(CALLER, call(2), "kirurgi", person(1), phone(2)))
        await waits_for_a_lock(database)
        go_on.set()
    assert (first.result().created, second.result().created) == (True, False)
    assert await open_of_each(database) == [1]


async def test_unique_index_alone_would_allow_two_callbacks(
    postgres_url: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The purpose of the lock, and proof that the tests above can fail."""

    async def unlocked(*_: object) -> None:
        return None

    await migrate(postgres_url)
    both = asyncio.Barrier(2)

    async def held(*given: Any, **more: Any) -> Callback:
        await both.wait()
        return await make(*given, **more)

    make = transitions.add_callback
    monkeypatch.setattr("desk.callbacks.transitions.add_callback", held)
    monkeypatch.setattr("desk.inquiries.repository._one_at_a_time", unlocked)
    async with processes(postgres_url, clock, [STEP_1, STEP_2]) as desks:
        await asyncio.gather(
            *(
                each.registration.register(CALLER, call(n), "kirurgi", person(1), phone(1))
                for n, each in enumerate(desks)
            )
        )
        database = Database(postgres_url)
        assert await open_of_each(database) == [2]
        await database.close()


async def waits_for_a_lock(database: Database) -> None:
    """Wait until a connection waits for an advisory lock; SQLite has one writer and needs none."""
    while database.dialect == "postgresql":
        async with database.read() as connection:
            waiting = "select 1 from pg_locks where locktype = 'advisory' and not granted"
            if (await connection.execute(text(waiting))).first():
                return
        await asyncio.sleep(0.01)


# --- recomputed


async def test_every_index_is_recomputed_and_finds_its_person(database: Database, clock: FakeClock) -> None:
    await keyring(database, index_vault(*STEP_0)).check()
    await fill(database, clock, 40)
    await keyring(database, index_vault(*STEP_2)).check()
    done = await Rotation(database=database, vault=index_vault(*STEP_2), clock=clock, rows_a_step=7, rest=0).rotate()
    assert (done.indexed, done.broken, done.twice) == (40, set(), set())
    assert await versions_of(database) == {2: 40}
    async with database.begin() as connection:
        await connection.execute(answers.delete())
    assert await keyring(database, index_vault(*STEP_2)).retire_unused() == [(KeyKind.INDEX, 1)]
    await keyring(database, index_vault(*STEP_3)).check()
    again = await desk_of(database, clock, STEP_3).registration.register(
        CALLER, call(1), "kirurgi", person(0), phone(1)
    )
    assert not again.created


async def test_person_with_two_open_callbacks_keeps_the_older_index(database: Database, clock: FakeClock) -> None:
    """As when a process that knew only the old key continued: nothing fails, and it is reported."""
    old = await desk_of(database, clock, STEP_0).registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))
    new = await desk_of(database, clock, STEP_3).registration.register(CALLER, call(2), "kirurgi", person(1), phone(1))
    assert new.created
    rotation = Rotation(database=database, vault=index_vault(*STEP_2), clock=clock, rest=0)
    done = await rotation.rotate()
    assert (done.indexed, done.twice) == (0, {old.callback.id})
    await desk_of(database, clock, STEP_2).outcomes.close(
        as_agent("kari"), old.callback.id, ClosedReason.DUPLICATE, fence=None
    )
    done = await rotation.rotate()
    assert (done.indexed, done.twice) == (1, set())


async def test_number_that_cannot_be_opened_keeps_its_index(database: Database, clock: FakeClock) -> None:
    broken, *_ = await fill(database, clock, 5)
    async with database.begin() as connection:
        await connection.execute(update(inquiries).where(c.id == broken).values(patient_number=b"\x02\0\1"))
    done = await Rotation(database=database, vault=index_vault(*STEP_2), clock=clock, rest=0).rotate()
    assert done.broken == {("inquiries.patient_number", broken)}
    assert await versions_of(database) == {1: 1, 2: 4}
    await desk_of(database, clock, STEP_2).outcomes.close(as_agent("kari"), broken, ClosedReason.OTHER, fence=None)
    assert (await desk_of(database, clock, STEP_2).outcomes.reopen(as_agent("kari"), broken)).status is Status.WAITING


# --- at the start


async def test_missing_or_wrong_key_is_refused(database: Database, clock: FakeClock) -> None:
    await keyring(database, index_vault(*STEP_0)).check()
    with pytest.raises(SettingsError, match="INNRINGING_INDEX_KEY has no key of version 1, and this"):
        await keyring(database, index_vault(*STEP_3)).check()
    await keyring(database, index_vault(*STEP_1)).check()
    with pytest.raises(SettingsError, match="INNRINGING_INDEX_KEY has no key of version 2"):
        await keyring(database, index_vault(*STEP_0)).check()
    wrong = Vault(identity_key=OLD, index_key=INDEX, older_index={2: b"w" * 32})
    with pytest.raises(SettingsError, match="its key of version 2 is not the one"):
        await keyring(database, wrong).check()
    await keyring(database, index_vault(*STEP_2)).check()


async def test_retired_key_is_needed_again_once_it_is_used(database: Database) -> None:
    await keyring(database, index_vault(*STEP_0)).check()
    await keyring(database, index_vault(*STEP_2)).check()
    assert await keyring(database, index_vault(*STEP_2)).retire_unused() == [(KeyKind.INDEX, 1)]
    await keyring(database, index_vault(*STEP_1)).check()
    with pytest.raises(SettingsError, match="no key of version 1"):
        await keyring(database, index_vault(*STEP_3)).check()


async def test_key_commands_report_and_rotate_indexes(
    migrated_url: str, database: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keyring(database, index_vault(*STEP_0)).check()
    await fill(database, clock, 12)
    for name, value in variables(migrated_url, index_key=written(v2=NEW_INDEX, v1=INDEX)).items():
        monkeypatch.setenv(name, value)
    status = await asyncio.to_thread(CliRunner().invoke, app, ["keys", "status"])
    assert status.exit_code == 0, status.output
    assert "New indexes are made with version 2" in status.output
    done = await asyncio.to_thread(CliRunner().invoke, app, ["keys", "rotate"])
    assert done.exit_code == 0, done.output
    assert "12 indexes renewed" in done.output
    assert "index key version 1 any more" not in done.output, "answers are still known by it"
    async with database.begin() as connection:
        await connection.execute(answers.delete())
    done = await asyncio.to_thread(CliRunner().invoke, app, ["keys", "rotate"])
    assert "No values are indexed with index key version 1 any more. You can remove it" in done.output
