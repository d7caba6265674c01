"""`innringing keys rotate` killed repeatedly (kill -9) while people call and agents claim; both engines."""

import asyncio
import itertools
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from sqlalchemy import select

from desk.access.actor import CALLER
from desk.callbacks.model import CallKey
from desk.callbacks.services import CallbackServices, callback_services
from desk.clock import SystemClock
from desk.database.engine import Database
from desk.inquiries.model import ClosedReason
from desk.key_rotation.keyring import Keyring
from desk.key_rotation.sealed_columns import NUMBERS
from desk.limits.rate import Rate
from desk.paths import ROOT
from desk.schema.tables import inquiries
from tests.support.desk.desk import DEPARTMENTS, as_agent, person, phone
from tests.support.desk.rows import insert_callbacks
from tests.support.desk.sealed_database import (
    INDEX,
    NEW,
    NEW_INDEX,
    OLD,
    callback,
    changing_vault,
    headers,
    new_vault,
    newest_vault,
    old_vault,
    opened,
    values,
    variables,
    written,
)
from tests.support.environment import without_ours

c = inquiries.c
ROWS = 3000
KILLS = 3
LIMIT = 180.0


@asynccontextmanager
async def rotating(url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command as an operator runs it. It is killed at the end of the block if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "innringing", "keys", "rotate"),
        cwd=ROOT,
        env={
            **without_ours(),
            **variables(url, identity_key=written(v2=NEW, v1=OLD), index_key=written(v2=NEW_INDEX, v1=INDEX)),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def count_resealed(database: Database) -> int:
    return sum(value.startswith(new_vault().header) for value in (await values(database)).values())


async def at_work(desk: CallbackServices, stop: asyncio.Event) -> int:
    """Register, claim, read and close callbacks until `stop` is set. Returns their number. Any failure ends it."""
    for n in itertools.count(10_000):
        if stop.is_set():
            return n - 10_000
        made = await desk.registration.register(
            CALLER, CallKey("chaos", str(n)), "kirurgi", person(n), phone(n % 10_000)
        )
        await desk.registration.register(
            CALLER, CallKey("again", str(n)), "kirurgi", person(n * 5 % ROWS), phone(n % 10_000)
        )
        (claimed,) = await desk.claiming.claim(as_agent("kari"), "kirurgi")
        assert await desk.identity_reveal.reveal(as_agent("kari"), claimed.id) is not None
        await desk.outcomes.close(as_agent("kari"), claimed.id, ClosedReason.REACHED, fence=claimed.fence)
        assert made.created
    raise AssertionError


async def test_killed_rotation_resumes_and_loses_nothing(migrated_url: str) -> None:
    database = Database(migrated_url)
    now = SystemClock().now()
    await Keyring(database=database, vault=old_vault(), clock=SystemClock()).check()
    rows = [callback(n, now, vault=old_vault(), status="waiting" if n % 5 == 0 else "closed") for n in range(ROWS)]
    async with database.begin() as connection:
        await insert_callbacks(connection, rows)
    clear = opened(old_vault(), await values(database))
    desk = callback_services(
        database=database,
        departments=lambda: DEPARTMENTS,
        vault=changing_vault(),
        clock=SystemClock(),
        numbers=Rate(10**6, timedelta(hours=1)),
    )
    in_the_middle: list[bool] = []
    stop = asyncio.Event()
    working = asyncio.create_task(at_work(desk, stop))
    try:
        async with asyncio.timeout(LIMIT):
            for _ in range(KILLS):
                before = await count_resealed(database)
                async with rotating(migrated_url) as process:
                    while await count_resealed(database) <= before + 20 and process.returncode is None:
                        assert not working.done(), working.exception()
                        await asyncio.sleep(0.01)
                    in_the_middle.append(process.returncode is None)
                found = await values(database)
                assert opened(new_vault(), found).items() >= clear.items()
            assert any(in_the_middle)
            async with rotating(migrated_url) as process:
                said = (await process.communicate())[0].decode()
            assert process.returncode == 0, said
    finally:
        stop.set()
        done = await asyncio.wait_for(working, 30)
    assert done > 0
    found = await values(database)
    assert headers(found) == [new_vault().header]
    async with database.read() as connection:
        open_ones = (await connection.execute(select(c.id).where(c.status != "closed"))).scalars().all()
        indexes = (await connection.execute(select(c.patient_index).where(c.patient_index.is_not(None)))).scalars()
        assert {bytes(index)[:2] for index in indexes} == {b"\0\2"}
    people = [newest_vault().open(found[column, id], column, id) for id in open_ones for column in [NUMBERS.name]]
    assert len(people) == len(set(people)), "somebody has two open callbacks"
    assert opened(newest_vault(), found).items() >= clear.items()
    await database.close()
