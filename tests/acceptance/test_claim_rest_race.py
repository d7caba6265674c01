"""Agents claim at the same time over REST, each in its own process: no callback is claimed twice, and none is lost."""

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path

import httpx

from desk.access.actor import SYSTEM
from desk.access.permissions import ALL_DEPARTMENTS, Role, Scope
from desk.accounts.agents import Agents
from desk.callbacks.model import Callback
from desk.callbacks.services import CallbackServices
from desk.clock import SystemClock
from desk.database.engine import Database
from desk.inquiries.model import Status
from desk.paths import ROOT
from tests.support.depth import deep
from tests.support.desk.desk import as_agent
from tests.support.web.api_process import ApiProcess, environment, running_api
from tests.support.web.api_queue import open_queue, people_ring

PROCESSES = 8
CALLBACKS = deep(300, 1000)
DEPARTMENT = "kirurgi"

Claims = list[tuple[str, int]]


async def agents_of(database_url: str) -> dict[str, str]:
    """Eight agents and their tokens."""
    database = Database(database_url)
    try:
        agents = Agents(database=database, clock=SystemClock())
        return {
            name: await agents.add(SYSTEM, name, Role.AGENT, [ALL_DEPARTMENTS])
            for name in (f"agent-{n}" for n in range(PROCESSES))
        }
    finally:
        await database.close()


async def claim_at_once(api: ApiProcess, tokens: dict[str, str]) -> dict[str, Claims]:
    """Start a claimer for each agent, release them at the same moment, and collect their claims."""
    claimers = {
        name: await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.claims.claimer"),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
        for name in tokens
    }
    try:
        for name, claimer in claimers.items():
            assert claimer.stdin and claimer.stdout
            order = {"url": api.url, "token": tokens[name], "department": DEPARTMENT}
            claimer.stdin.write(json.dumps(order).encode() + b"\n")
            assert await claimer.stdout.readline() == b"ready\n"
        said = await asyncio.gather(*(claimer.communicate(b"go\n") for claimer in claimers.values()))
        assert {claimer.returncode for claimer in claimers.values()} == {0}
    finally:
        for claimer in claimers.values():
            if claimer.returncode is None:
                claimer.kill()
                await claimer.wait()
    return {name: [(id, fence) for id, fence in json.loads(out)] for name, (out, _) in zip(tokens, said, strict=True)}


async def all_callbacks(desk: CallbackServices) -> list[Callback]:
    found: list[Callback] = []
    cursor: str | None = None
    while True:
        page = await desk.lists.page(as_agent("reader", Scope.of([DEPARTMENT])), cursor=cursor, limit=200)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_eight_processes_never_claim_the_same_callback_over_rest(database_url: str, tmp_path: Path) -> None:
    async with open_queue(database_url, tmp_path) as desk:
        waiting = await people_ring(desk, DEPARTMENT, CALLBACKS)
        assert len(waiting) == CALLBACKS
        tokens = await agents_of(database_url)
        with running_api(environment(database_url, tmp_path)) as api:
            claims = await claim_at_once(api, tokens)
        claimed_by = [(id, name) for name, got in claims.items() for id, _ in got]
        times_claimed = Counter(id for id, _ in claimed_by)
        assert {id for id, times in times_claimed.items() if times > 1} == set()
        assert set(times_claimed) == waiting
        assert sum(1 for got in claims.values() if got) >= 2, "one agent got them all: this was no race"
        assert {fence for got in claims.values() for _, fence in got} == {1}
        stored = await all_callbacks(desk)
        assert {(callback.id, callback.claimed_by) for callback in stored} == set(claimed_by)
        assert {callback.status for callback in stored} == {Status.CLAIMED}
        assert {callback.fence for callback in stored} == {1}


async def test_one_of_eight_agents_gets_a_named_callback(database_url: str, tmp_path: Path) -> None:
    rounds = 20
    async with open_queue(database_url, tmp_path) as desk:
        waiting = await people_ring(desk, DEPARTMENT, rounds)
        tokens = await agents_of(database_url)
        with running_api(environment(database_url, tmp_path)) as api:
            async with httpx.AsyncClient(base_url=f"{api.url}/api/v1", timeout=60, trust_env=False) as client:
                for id in waiting:
                    answers = await asyncio.gather(
                        *(
                            client.post(f"/callbacks/{id}/claim", headers={"Authorization": f"Bearer {token}"})
                            for token in tokens.values()
                        )
                    )
                    assert sorted(answer.status_code for answer in answers) == [200] + [409] * (PROCESSES - 1)
                    (won,) = (answer.json() for answer in answers if answer.status_code == 200)
                    assert (await desk.lists.get(SYSTEM, id)).claimed_by == won["claimed_by"]
