"""Claims and completions on the driver: what fails is named, and does not happen behind the agent's back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from desk.access.actor import CALLER
from desk.callbacks.model import Callback
from desk.callbacks.services import CallbackServices
from desk.database import engine
from desk.database.engine import Database
from desk.database.errors import StorageUnavailable
from desk.database.faults import StorageFault
from desk.inquiries.model import ClosedReason, Status
from desk.schema.migrate import migrate
from tests.support.desk.desk import as_agent, call, make_desk, person, phone
from tests.support.fakes import FakeClock

KARI = as_agent("kari")


@asynccontextmanager
async def at_work(url: str, clock: FakeClock, callers: int = 2) -> AsyncIterator[tuple[Database, CallbackServices]]:
    """A desk where some people wait."""
    database = Database(url)
    desk = make_desk(database, clock)
    for n in range(1, callers + 1):
        await desk.registration.register(CALLER, call(n), "kirurgi", person(n), phone(n))
    try:
        yield database, desk
    finally:
        await database.close()


@asynccontextmanager
async def administrator(url: str) -> AsyncIterator[tuple[Any, str]]:
    """A connection to the same server, outside the database, and the database's name."""
    address = make_url(url).set(drivername="postgresql")
    outside = await asyncpg.connect(address.set(database="postgres").render_as_string(hide_password=False))
    try:
        yield outside, str(address.database)
    finally:
        await outside.close()


async def ended(outside: Any, name: str) -> None:
    await outside.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)


async def claimed(desk: CallbackServices) -> Callback:
    (one,) = await desk.claiming.claim(KARI, "kirurgi")
    return one


@pytest.fixture
async def url(postgres_url: str) -> str:
    await migrate(postgres_url)
    return postgres_url


async def test_completion_that_took_too_long_does_not_happen_later(
    url: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent has seen that it failed. So it must not be done when the lock is gone."""
    monkeypatch.setattr(engine, "STATEMENT_SECONDS", 0.5)
    async with at_work(url, clock) as (database, desk), administrator(url) as (outside, name):
        one = await claimed(desk)
        async with database.begin() as connection:
            await connection.execute(text("select 1 from inquiries where id = :id for update"), {"id": one.id})
            with pytest.raises(StorageUnavailable):
                await desk.outcomes.close(KARI, one.id, ClosedReason.REACHED, fence=one.fence)
            waits = "select count(*) from pg_stat_activity where datname = $1 and wait_event_type = 'Lock'"
            async with asyncio.timeout(30):
                while await outside.fetchval(waits, name):  # noqa: ASYNC110 - the database has no event for it
                    await asyncio.sleep(0.01)
        assert (await desk.lists.get(KARI, one.id)).status is Status.CLAIMED
        closed = await desk.outcomes.close(KARI, one.id, ClosedReason.REACHED, fence=one.fence)
        assert closed.status is Status.CLOSED
        assert await claimed(desk)


async def test_cancelled_claim_is_carried_out_and_its_connection_still_works(url: str, clock: FakeClock) -> None:
    async with at_work(url, clock) as (_, desk):
        cancelled = asyncio.create_task(claimed(desk))
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        second = await claimed(desk)
        assert await desk.claiming.claim(KARI, "kirurgi") == []
        assert (await desk.lists.get(KARI, second.id)).status is Status.CLAIMED


async def test_database_that_refuses_connections_is_unavailable_until_it_takes_them(url: str, clock: FakeClock) -> None:
    async with at_work(url, clock) as (_, desk), administrator(url) as (outside, name):
        one = await claimed(desk)
        await outside.execute(f"alter database {name} allow_connections false")
        await ended(outside, name)
        try:
            for _ in range(2):
                with pytest.raises(StorageUnavailable):
                    await claimed(desk)
            with pytest.raises(StorageUnavailable):
                await desk.outcomes.close(KARI, one.id, ClosedReason.REACHED, fence=one.fence)
        finally:
            await outside.execute(f"alter database {name} allow_connections true")
        assert (await claimed(desk)).id != one.id


async def test_ended_sessions_are_replaced_without_a_word(url: str, clock: FakeClock) -> None:
    async with at_work(url, clock) as (_, desk), administrator(url) as (outside, name):
        one = await claimed(desk)
        await ended(outside, name)
        await asyncio.sleep(0.1)  # until the driver has seen it
        assert (await claimed(desk)).id != one.id


async def test_read_only_database_says_so(url: str, clock: FakeClock) -> None:
    async with at_work(url, clock) as (_, desk), administrator(url) as (outside, name):
        await claimed(desk)
        await outside.execute(f"alter database {name} set default_transaction_read_only = on")
        await ended(outside, name)
        await asyncio.sleep(0.1)  # until the driver has seen it
        with pytest.raises(StorageUnavailable) as raised:
            await claimed(desk)
        assert raised.value.fault is StorageFault.READ_ONLY
        await outside.execute(f"alter database {name} reset default_transaction_read_only")
        await ended(outside, name)
        await asyncio.sleep(0.1)
        assert await claimed(desk)
