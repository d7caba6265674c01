"""Events with the api as separate processes: two on one PostgreSQL, another writer on SQLite, and a clean stop."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import httpx

from desk.access.actor import CALLER
from desk.callbacks.model import CallKey
from tests.support.desk.desk import person, phone
from tests.support.web.api_process import ApiProcess, environment, running_api
from tests.support.web.api_queue import open_queue, people_ring
from tests.support.web.live import listening_to

CALLERS = 8
CALLS_EACH = 10


async def posted(api: ApiProcess, path: str, body: Any = None) -> Any:
    async with httpx.AsyncClient(base_url=f"{api.url}/api/v1", timeout=60, trust_env=False) as client:
        answer = await client.post(path, json=body, headers=api.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()


async def test_readers_of_one_process_see_changes_of_the_other(postgres_url: str, tmp_path: Path) -> None:
    async with open_queue(postgres_url, tmp_path) as desk:
        (id,) = await people_ring(desk, "kirurgi", 1)
    with (
        running_api(environment(postgres_url, tmp_path)) as one,
        running_api(environment(postgres_url, tmp_path)) as other,
    ):
        async with listening_to(other.url, other.token) as there:
            await there.opened()
            claimed = await posted(one, f"/callbacks/{id}/claim")
            (told,) = await there.changes(1)
            assert (told["event"], told["callback"], told["version"]) == ("claimed", id, claimed["version"])
            position = there.last_id
        await posted(other, f"/callbacks/{id}/release", {"fence": claimed["fence"]})
        async with listening_to(one.url, one.token, after=position) as here:  # disconnected there, resumed here
            assert [each["event"] for each in await here.changes(1)] == ["released"]


async def test_calls_in_another_process_arrive_once_each(migrated_url: str, tmp_path: Path) -> None:
    """The phone door writes while agents watch: eight callers at a time, each commits when it happens to."""
    async with open_queue(migrated_url, tmp_path) as desk:
        with running_api(environment(migrated_url, tmp_path)) as api:
            async with listening_to(api.url, api.token) as stream:
                await stream.opened()

                async def rings(caller: int) -> None:
                    for number in range(caller, CALLERS * CALLS_EACH, CALLERS):
                        await desk.registration.register(
                            CALLER, CallKey("node-1", str(number)), "kirurgi", person(number), phone(number)
                        )

                await asyncio.gather(*(rings(caller) for caller in range(CALLERS)))
                told = await stream.changes(CALLERS * CALLS_EACH)
                os.kill(api.pid, signal.SIGTERM)
                await stream.rest()  # the process ends its streams instead of waiting for them
        assert "exceeded" not in api.log.read_text()
        assert [each["id"] for each in told] == sorted({each["id"] for each in told})
        assert len({each["callback"] for each in told}) == CALLERS * CALLS_EACH
        with running_api(environment(migrated_url, tmp_path)) as api:
            async with listening_to(api.url, api.token, after=told[9]["id"]) as stream:
                assert await stream.changes(CALLERS * CALLS_EACH - 10) == told[10:]
