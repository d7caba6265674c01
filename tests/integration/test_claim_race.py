"""Processes that race for callbacks, and one killed while it registers; on both engines."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select, text

from desk.access.actor import CALLER
from desk.database.engine import Database
from desk.inquiries.model import ClosedReason, Status
from desk.paths import ROOT
from desk.schema import tables
from desk.schema.migrate import migrate
from tests.support.desk.desk import as_agent, call, make_desk, person, phone
from tests.support.desk.rows import count, insert_callbacks
from tests.support.fakes import FakeClock

PROCESSES = 8
CALLBACKS = 1000


async def start(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.desk.desk_process",
        *arguments,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        cwd=ROOT,
    )


async def fill(database: Database, count: int) -> set[str]:
    """Insert waiting callbacks directly into the table."""
    now = datetime.now(UTC)
    rows = [
        {
            "id": str(uuid4()),
            "department": "kirurgi",
            "status": "waiting",
            "priority": 1,
            "phone": f"+4768050{n:03}",
            "phone_mobile": False,
            "promise_policy": "deadline",
            "promise_from": now,
            "promise_by": now + timedelta(minutes=n % 7),
            "promise_spoken": "i dag innen klokken 15",
            "call_count": 1,
            "language": "nb",
            "created_at": now + timedelta(microseconds=n),
            "attempts_from": now,
            "fence": 0,
            "version": 1,
        }
        for n in range(count)
    ]
    async with database.begin() as connection:
        await insert_callbacks(connection, rows)
    return {row["id"] for row in rows}


async def test_eight_processes_claim_each_of_a_thousand_callbacks_once(database: Database, migrated_url: str) -> None:
    everything = await fill(database, CALLBACKS)
    agents = [f"agent-{n}" for n in range(PROCESSES)]
    racers = await asyncio.gather(
        *(start("claim", migrated_url, agent, str(1 + n % 2)) for n, agent in enumerate(agents))
    )
    for racer in racers:
        assert await racer.stdout.readline() == b"ready\n"
    answers = await asyncio.gather(*(racer.communicate(b"go\n") for racer in racers))
    assert [(racer.returncode, errors) for racer, (_, errors) in zip(racers, answers, strict=True)] == [(0, b"")] * 8
    claimed = [output.decode().split() for output, _ in answers]
    times = Counter(id for each in claimed for id in each)
    assert set(times) == everything
    assert set(times.values()) == {1}
    async with database.read() as connection:
        query = select(tables.inquiries.c.id, tables.inquiries.c.claimed_by, tables.inquiries.c.fence)
        holders = {row.id: (row.claimed_by, row.fence) for row in await connection.execute(query)}
    assert holders == {id: (agent, 1) for agent, each in zip(agents, claimed, strict=True) for id in each}
    assert await count(database, "history") == CALLBACKS


@pytest.mark.parametrize("before_the_kill", [1, 7, 20])
async def test_callback_is_complete_or_absent_after_a_kill_while_registering(
    database: Database, migrated_url: str, before_the_kill: int
) -> None:
    killed = [await start("register", migrated_url, f"node-{n}") for n in range(2)]
    stored = []
    for process in killed:
        for _ in range(before_the_kill):
            last = await process.stdout.readline()
        process.kill()
        output, _ = await process.communicate()
        stored.append(1 + int((output.split() or [last])[-1]))
    async with database.read() as connection:
        calls = [row.asterisk_id for row in await connection.execute(select(tables.calls.c.asterisk_id))]
        counted = (await connection.execute(select(func.sum(tables.callbacks.c.call_count)))).scalar_one()
    for n, counted_stored in enumerate(stored):
        assert (
            counted_stored <= calls.count(f"node-{n}") <= counted_stored + 1
        )  # what was reported is there, and at most one more
    assert counted == len(calls) == await count(database, "history")
    assert await count(database, "callbacks") == await count(database, "promises")


async def test_row_that_refers_to_a_callback_does_not_hide_it_from_agents(postgres_url: str, clock: FakeClock) -> None:
    """A row that points to a callback (a warning, an attempt) locks it for a moment; it stays in line."""
    await migrate(postgres_url)
    database = Database(postgres_url)
    desk = make_desk(database, clock)
    waiting = [
        (await desk.registration.register(CALLER, call(n), "kirurgi", person(n), phone(n))).callback for n in (1, 2)
    ]
    async with database.begin() as connection:
        await connection.execute(select(tables.inquiries.c.id).with_for_update(read=True, key_share=True))
        taken = await desk.claiming.claim(as_agent("kari"), "kirurgi")
        taken += await desk.claiming.claim(as_agent("kari"), "kirurgi", due_before=clock.now() + timedelta(days=7))
    await database.close()
    assert sorted(each.id for each in taken) == sorted(each.id for each in waiting)


async def test_completion_shows_what_another_changed_while_it_waited(postgres_url: str, clock: FakeClock) -> None:
    """The statement has read the channel's values before it waited for the row: they are read again."""
    await migrate(postgres_url)
    database = Database(postgres_url)
    desk = make_desk(database, clock)
    await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))
    (claimed,) = await desk.claiming.claim(as_agent("kari"), "kirurgi")
    async with database.begin() as connection:
        row = tables.inquiries.c.id == claimed.id
        await connection.execute(tables.inquiries.update().where(row).values(version=tables.inquiries.c.version + 1))
        changed = tables.callbacks.update().where(tables.callbacks.c.id == claimed.id)
        await connection.execute(changed.values(call_count=7))
        closing = asyncio.create_task(
            desk.outcomes.close(as_agent("kari"), claimed.id, ClosedReason.REACHED, fence=claimed.fence)
        )
        waits = text("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like 'WITH done%'")
        async with asyncio.timeout(30), database.read() as other:
            while not (await other.execute(waits)).scalar_one():  # noqa: ASYNC110 - the database has no event for it
                await asyncio.sleep(0.01)
    closed = await closing
    await database.close()
    assert (closed.status, closed.version, closed.call_count) == (Status.CLOSED, claimed.version + 2, 7)
