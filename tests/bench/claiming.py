"""Fifty agents claim over REST, a hundred claims a second in total, each with its own token."""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.table import Table

from desk.access.actor import SYSTEM
from desk.access.permissions import Role
from desk.accounts.agents import Agents
from desk.clock import SystemClock
from desk.database.engine import Database
from desk.schema.migrate import migrate
from ops.machine.postgres import Postgres
from tests.bench.requests import Asker
from tests.support.desk.filled import waiting
from tests.support.machine.systems import create_database
from tests.support.web.api_process import environment, running_api

BODY = b'{"department": "kirurgi", "limit": 1}'


@dataclass(frozen=True)
class Claims:
    """Seconds from the moment a claim was due until it was answered, and the api's CPU."""

    waits: list[float]
    cpu: float
    seconds: float


async def measure(server: Postgres, *, agents: int, rate: float, seconds: float) -> Claims:
    """A client that is late sends at once: its lateness is in the figures."""
    with tempfile.TemporaryDirectory(prefix="innringing-bench-") as name:
        folder = Path(name)
        url = await create_database(server)
        await migrate(url)
        database = Database(url)
        count = round(rate * seconds)
        await waiting(database, count + 10 * agents)
        desk = Agents(database=database, clock=SystemClock())
        tokens = [await desk.add(SYSTEM, f"agent-{n}", Role.AGENT, ["kirurgi"]) for n in range(agents)]
        await database.close()
        with running_api(environment(url, folder)) as api:
            process = psutil.Process(api.pid)
            async with AsyncExitStack() as open_:
                askers = [await open_.enter_async_context(Asker(api.url, token)) for token in tokens]
                await asyncio.gather(*(_rounds(asker, 3) for asker in askers))  # warmed up
                before, begun = sum(process.cpu_times()[:2]), time.perf_counter()
                each = await asyncio.gather(
                    *(_claims(asker, begun + n / rate, agents / rate, seconds) for n, asker in enumerate(askers))
                )
                took, cpu = time.perf_counter() - begun, sum(process.cpu_times()[:2]) - before
    waits = [wait for one in each for wait in one]
    return Claims(waits, cpu, took)


async def _rounds(asker: Asker, count: int) -> None:
    for _ in range(count):
        await asker.ask("/api/v1/callbacks/claim", BODY)


async def _claims(asker: Asker, first: float, every: float, seconds: float) -> list[float]:
    waits = []
    for n in range(round(seconds / every)):
        due = first + n * every
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        answer = await asker.ask("/api/v1/callbacks/claim", BODY)
        waits.append(time.perf_counter() - due)
        assert len(json.loads(answer)["items"]) == 1, "nothing was left"
    return waits


def shown(runs: Sequence[Claims], *, agents: int, rate: float) -> Table:
    """Milliseconds; a line for each run."""
    table = Table(title=f"Claims over REST: {agents} agents, {rate:g} claims a second in all, one api process")
    for heading in ("claims", "per second", "p50 ms", "p99 ms", "longest ms", "ms CPU a claim, api"):
        table.add_column(heading, justify="right")
    for run in runs:
        parts = statistics.quantiles(run.waits, n=100)
        table.add_row(
            str(len(run.waits)),
            f"{len(run.waits) / run.seconds:.0f}",
            *(f"{wait * 1000:.1f}" for wait in (parts[49], parts[98], max(run.waits))),
            f"{run.cpu / len(run.waits) * 1000:.2f}",
        )
    return table
