"""PgBouncer in front of PostgreSQL: session mode works, and transaction mode is refused at the start."""

import asyncio
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from desk.database.engine import Database
from desk.database.errors import StorageUnavailable
from desk.database.notify import HISTORY
from desk.database.pooling import require_own_session
from desk.schema.migrate import migrate
from tests.integration.test_api_start import one_line
from tests.support.machine.pgbouncer import pgbouncer
from tests.support.web.api_process import environment, running_api


async def test_postgresql_without_a_pooler_is_accepted(postgres_url: str) -> None:
    database = Database(postgres_url)
    await require_own_session(database)
    await database.close()


async def test_session_mode_serves_units_of_work_and_live_changes(postgres_url: str, tmp_path: Path) -> None:
    with pgbouncer(postgres_url, "session") as url:
        await migrate(url)
        database = Database(url)
        await require_own_session(database)
        heard = asyncio.Event()

        async def work() -> int:
            async with database.begin() as connection:
                await connection.execute(text("select pg_sleep(0.005)"))
                return int((await connection.execute(text("select 1"))).scalar_one())

        async with database.listener() as raw:
            await raw.add_listener(HISTORY, lambda *_: heard.set())
            assert await asyncio.gather(*(work() for _ in range(60))) == [1] * 60
            async with database.alone() as connection:
                await connection.execute(text(f"select pg_notify('{HISTORY}', '')"))
            await asyncio.wait_for(heard.wait(), 10)
            shown = await raw.fetchval("show idle_in_transaction_session_timeout")
        assert shown == "30s"
        await database.close()
        with running_api(environment(url, tmp_path)) as api:
            async with httpx.AsyncClient(trust_env=False, headers=api.headers) as client:
                claimed = await client.post(f"{api.url}/api/v1/callbacks/claim", json={"department": "kirurgi"})
        assert (claimed.status_code, claimed.json()) == (200, {"items": []})


@pytest.mark.parametrize("servers", [1, 5])
async def test_transaction_mode_is_refused_with_one_clear_line(postgres_url: str, servers: int, tmp_path: Path) -> None:
    await migrate(postgres_url)
    with pgbouncer(postgres_url, "transaction", servers=servers) as url:
        database = Database(url)
        with pytest.raises(StorageUnavailable) as refused:
            await require_own_session(database)
        assert "pool_mode = session" in refused.value.advice
        await database.close()
        if servers > 1:
            assert "pool_mode = session" in await one_line(environment(url, tmp_path))
