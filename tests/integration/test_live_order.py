"""The tail of the history: every change once, in id order, whatever order the units of work commit in."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from sqlalchemy import select, text

from desk.access.actor import CALLER, SYSTEM
from desk.callbacks.services import CallbackServices
from desk.clock import SystemClock
from desk.database.engine import Connection, Database
from desk.database.errors import StorageUnavailable
from desk.database.unit_of_work import Unit
from desk.history import repository as history
from desk.history.feed import Changes, Tail
from desk.history.feed_repository import LOCK, unfinished
from desk.history.model import Change, HistoryEntry
from desk.ids import CallbackId
from desk.inquiries.model import Status
from desk.schema import tables
from desk.schema.migrate import migrate
from tests.support.desk.desk import as_agent, call, make_desk, person, phone
from tests.support.fakes import FakeClock

NEVER = 3600.0
WRITERS = 8
ROWS_EACH = 25


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[Database]:
    await migrate(postgres_url)
    opened = Database(postgres_url)
    yield opened
    await opened.close()


async def registered(desk: CallbackServices, n: int = 1) -> CallbackId:
    return (await desk.registration.register(CALLER, call(n), "kirurgi", person(n), phone(n))).callback.id


async def add_events(connection: Connection, callback_id: CallbackId, events: Sequence[str]) -> None:
    unit = Unit(connection, SystemClock(), as_agent("kari"))
    await history.add(unit, [HistoryEntry(callback_id, "kirurgi", event) for event in events])


async def gather(tail: Tail, count: int) -> list[Change]:
    """The next `count` changes."""
    found: list[Change] = []
    async with asyncio.timeout(60):
        while len(found) < count:
            found += await tail.next()
            if len(found) < count:
                await tail.wait()
    return found


async def rounds(tail: Tail, count: int = 5) -> list[Change]:
    """The changes that this number of polls returns."""
    found: list[Change] = []
    for _ in range(count):
        found += await tail.next()
        await tail.wait()
    return found


@asynccontextmanager
async def open_unit(database: Database, callback_id: CallbackId, *events: str) -> AsyncIterator[Connection]:
    """A unit of work that has written these events and not yet committed. It is rolled back unless committed."""
    async with database.engine.connect() as connection:
        await add_events(connection, callback_id, events)
        yield connection


async def test_low_id_that_commits_late_arrives_first_and_once(postgres: Database, clock: FakeClock) -> None:
    id = await registered(make_desk(postgres, clock))
    async with Changes(database=postgres, clock=SystemClock()).tail(poll_seconds=0.01) as tail:
        async with open_unit(postgres, id, "early") as early:
            async with open_unit(postgres, id, "late") as late:
                await late.commit()
            assert await rounds(tail) == []
            await early.commit()
            told = await gather(tail, 2)
        assert [change.event for change in told] == ["early", "late"]
        assert told[0].id + 1 == told[1].id == tail.position
        assert await rounds(tail) == []


async def test_reading_by_the_last_id_alone_would_miss_an_event(postgres: Database, clock: FakeClock) -> None:
    """The purpose of the tail: without it, the same interleaving loses a row."""
    id = await registered(make_desk(postgres, clock))
    query = select(tables.history.c.id, tables.history.c.event).order_by(tables.history.c.id)
    async with open_unit(postgres, id, "early") as early:
        async with open_unit(postgres, id, "late") as late:
            await late.commit()
        async with postgres.read() as connection:
            last = (await connection.execute(query)).all()[-1]
        await early.commit()
    async with postgres.read() as connection:
        assert (await connection.execute(query.where(tables.history.c.id > last.id))).all() == []
    assert last.event == "late"


async def test_rolled_back_id_does_not_block_the_tail(postgres: Database, clock: FakeClock) -> None:
    id = await registered(make_desk(postgres, clock))
    async with Changes(database=postgres, clock=SystemClock()).tail(poll_seconds=NEVER) as tail:
        async with open_unit(postgres, id, "given up", "given up"):
            async with open_unit(postgres, id, "kept") as kept:
                await kept.commit()
            assert await tail.next() == []
        assert [change.event for change in await gather(tail, 1)] == ["kept"]


async def test_later_units_of_work_do_not_keep_an_earlier_gap_open(postgres: Database, clock: FakeClock) -> None:
    """There are always writers: the tail waits only for those that were active when it saw the gap."""
    id = await registered(make_desk(postgres, clock))
    async with (
        Changes(database=postgres, clock=SystemClock()).tail(poll_seconds=0.01) as tail,
        AsyncExitStack() as running,
    ):
        async with open_unit(postgres, id, "given up"):
            async with open_unit(postgres, id, "kept") as kept:
                await kept.commit()
            assert await tail.next() == []
            await running.enter_async_context(open_unit(postgres, id, "still at it"))
        assert [change.event for change in await gather(tail, 1)] == ["kept"]


async def test_lock_is_held_until_the_unit_of_work_has_ended(postgres: Database, clock: FakeClock) -> None:
    id = await registered(make_desk(postgres, clock))
    async with postgres.read() as connection:
        unit = Unit(connection, clock, SYSTEM)
        assert await unfinished(unit) == frozenset()
        async with open_unit(postgres, id, "early"):
            assert len(await unfinished(unit)) == 1
        assert await unfinished(unit) == frozenset()


CHECKED = f"""
create function checked() returns bigint language plpgsql as $$
begin
    if not exists (select from pg_locks where pid = pg_backend_pid() and locktype = 'advisory' and objid = {LOCK}) then
        raise exception 'an id is drawn without the lock';
    end if;
    return nextval(pg_get_serial_sequence('history', 'id'));
end
$$
"""


async def test_no_id_is_drawn_without_the_lock(postgres: Database, clock: FakeClock) -> None:
    """An id drawn before the lock could belong to a unit of work that the tail does not know."""
    async with postgres.begin() as connection:
        await connection.execute(text(CHECKED))
        await connection.execute(text("alter table history alter id set default checked()"))
    await registered(make_desk(postgres, clock), 1)
    async with postgres.begin() as connection:
        await connection.execute(text("drop trigger history_is_written on history"))
    with pytest.raises(StorageUnavailable):
        await registered(make_desk(postgres, clock), 2)


async def test_tail_opens_only_when_lower_ids_are_settled(postgres: Database, clock: FakeClock) -> None:
    """A client that lists callbacks after the stream has opened has either seen a change there, or gets its event."""
    id = await registered(make_desk(postgres, clock))
    async with open_unit(postgres, id, "early") as early:
        async with open_unit(postgres, id, "late") as late:
            await late.commit()
        opening = Changes(database=postgres, clock=SystemClock()).tail(poll_seconds=0.01)
        entering = asyncio.create_task(opening.__aenter__())
        await asyncio.wait([entering], timeout=0.3)
        assert not entering.done()
        await early.commit()
    tail = await entering
    assert await rounds(tail) == []
    await opening.__aexit__(None, None, None)


@pytest.mark.parametrize("listen", [True, False])
async def test_eight_writers_cause_no_gap_and_no_duplicate(postgres: Database, clock: FakeClock, listen: bool) -> None:
    id = await registered(make_desk(postgres, clock))
    chance = random.Random(4711)
    written: list[str] = []
    complete = asyncio.Event()
    all_written = False

    async def write(writer: int) -> None:
        for n in range(ROWS_EACH):
            events = [f"{writer}-{n}-{part}" for part in range(chance.randint(1, 3))]
            async with open_unit(postgres, id, *events[:1]) as connection:
                await asyncio.sleep(chance.random() * 0.01)
                await add_events(connection, id, events[1:])
                await asyncio.sleep(chance.random() * 0.01)
                if chance.random() < 0.8:
                    await connection.commit()
                    written.extend(events)

    told: list[Change] = []
    async with Changes(database=postgres, clock=SystemClock()).tail(
        poll_seconds=NEVER if listen else 0.005, listen=listen
    ) as tail:

        async def follow() -> None:
            while True:
                told.extend(await tail.next())
                if all_written and len(told) >= len(written):
                    complete.set()
                await tail.wait()

        following = asyncio.create_task(follow())
        await asyncio.gather(*(write(writer) for writer in range(WRITERS)))
        written.append("registered")
        all_written = True
        await registered(make_desk(postgres, clock), 2)
        async with asyncio.timeout(30):
            await complete.wait()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    assert sorted(change.event for change in told) == sorted(written)
    assert [change.id for change in told] == sorted({change.id for change in told})


async def test_change_says_what_happened_without_patient_data(
    database: Database, desk: CallbackServices, clock: FakeClock
) -> None:
    async with Changes(database=database, clock=SystemClock()).tail(poll_seconds=0.05) as tail:
        id = await registered(desk)
        (taken,) = await desk.claiming.claim(as_agent("kari"), "kirurgi")
        first, second = await gather(tail, 2)
    assert (first.event, first.from_status, first.to_status, first.actor) == (
        *("registered", None, Status.WAITING),
        "caller",
    )
    assert (second.event, second.from_status, second.to_status, second.actor) == (
        *("claimed", Status.WAITING, Status.CLAIMED),
        "kari",
    )
    assert (second.callback_id, second.department, second.version) == (id, "kirurgi", taken.version)
    assert second.at == clock.now()


async def test_writer_in_the_same_process_wakes_the_tail(database: Database, desk: CallbackServices) -> None:
    async with Changes(database=database, clock=SystemClock()).tail(poll_seconds=NEVER) as tail:
        await registered(desk)
        assert [change.event for change in await gather(tail, 1)] == ["registered"]


async def test_writer_in_another_process_is_found_by_polling(
    database: Database, migrated_url: str, clock: FakeClock
) -> None:
    other = Database(migrated_url)
    try:
        async with Changes(database=database, clock=SystemClock()).tail(poll_seconds=0.05, listen=False) as tail:
            await registered(make_desk(other, clock))
            assert [change.event for change in await gather(tail, 1)] == ["registered"]
    finally:
        await other.close()


async def test_postgresql_notifies_the_tail_of_another_process(
    postgres: Database, postgres_url: str, clock: FakeClock
) -> None:
    other = Database(postgres_url)
    try:
        async with Changes(database=postgres, clock=SystemClock()).tail(poll_seconds=NEVER) as tail:
            await gather_until_heard(postgres)
            await tail.next()
            await registered(make_desk(other, clock))
            assert [change.event for change in await gather(tail, 1)] == ["registered"]
    finally:
        await other.close()


async def gather_until_heard(database: Database) -> None:
    """Wait until a connection to this database listens."""
    query = text("select count(*) from pg_stat_activity where datname = current_database() and query like 'LISTEN%'")
    async with asyncio.timeout(20):
        while True:
            async with database.read() as connection:
                if (await connection.execute(query)).scalar_one():
                    return
            await asyncio.sleep(0.02)
