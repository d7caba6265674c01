"""Claim and complete per second, compared with procrastinate and pgqueuer on the same PostgreSQL."""

import asyncio
import json
import statistics
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
import psutil
from pgqueuer.queries import Queries
from rich.table import Table

from desk.database.engine import Database
from desk.paths import ROOT
from desk.schema.migrate import migrate
from ops.machine.postgres import Postgres
from tests.bench.contenders import (
    CONTENDERS,
    OURS,
    PGQUEUER,
    PGQUEUER_TEN,
    PROCRASTINATE,
    TASK,
    plain,
    procrastinate_app,
)
from tests.bench.processes import processor
from tests.support.desk.filled import waiting
from tests.support.machine.systems import create_database

LEFT = {
    "ours": "select count(*) from inquiries c where status <> 'closed' or "
    "(select count(*) from history h where h.inquiry_id = c.id) <> 2",
    PROCRASTINATE: "select count(*) from procrastinate_jobs j where status <> 'succeeded' or "
    "(select count(*) from procrastinate_events e where e.job_id = j.id) <> 3",
    "pgqueuer": "select (select count(*) from pgqueuer) + :count - "
    "(select count(*) from pgqueuer_log where status = 'successful')",
}
"""The number of jobs that are not completed or not recorded correctly at the end. It must be 0."""


@dataclass(frozen=True)
class Run:
    """Jobs per second, and milliseconds of CPU per job: the workers' and the database's."""

    contender: str
    rate: float
    workers: float
    database: float


async def filled(server: Postgres, contender: str, jobs: int) -> str:
    """A new, analysed database with `count` waiting jobs."""
    url = await create_database(server)
    if contender.startswith("ours"):
        await migrate(url)
        database = Database(url)
        await waiting(database, jobs)
        await database.close()
    elif contender == PROCRASTINATE:
        app = procrastinate_app(url, 1)
        async with app.open_async():
            await app.schema_manager.apply_schema_async()
            for _ in range(0, jobs, 1000):
                await app.tasks[TASK].batch_defer_async(*({} for _ in range(1000)))
    else:
        async with asyncpg.create_pool(plain(url), min_size=1, max_size=1) as pool:
            queries = Queries.from_asyncpg_pool(pool)
            await queries.install()
            await queries.enqueue([TASK] * jobs, [None] * jobs, [0] * jobs)
    await run_statement(url, "vacuum analyze")
    await run_statement(url, "checkpoint")
    return url


async def run_statement(url: str, statement: str) -> None:
    connection = await asyncpg.connect(plain(url))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def left(url: str, contender: str, jobs: int) -> int:
    query = next(query for name, query in LEFT.items() if contender.startswith(name)).replace(":count", str(jobs))
    connection = await asyncpg.connect(plain(url))
    try:
        return int(await connection.fetchval(query))
    finally:
        await connection.close()


async def one_run(server: Postgres, contender: str, *, jobs: int, processes: int, at_once: int) -> Run:
    """Run all jobs in `processes` processes, each with `at_once` concurrent jobs."""
    url = await filled(server, contender, jobs)
    command = [sys.executable, "-m", "tests.bench.contenders", contender, url, "--at-once", str(at_once)]
    workers = [
        await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=PIPE, stdout=PIPE) for _ in range(processes)
    ]
    cpu = 0.0
    for worker in workers:
        assert worker.stdout is not None
        assert await worker.stdout.readline() == b"ready\n"
        cpu -= sum(psutil.Process(worker.pid).cpu_times()[:2])
    database = processor(server)
    begun = time.perf_counter()
    answers = await asyncio.gather(*(worker.communicate(b"go\n") for worker in workers))
    seconds = time.perf_counter() - begun
    database = processor(server) - database
    assert all(worker.returncode == 0 for worker in workers), f"{contender}: a worker failed"
    undone = await left(url, contender, jobs)
    assert undone == 0, f"{contender}: {undone} not done, or not written down"
    await run_statement(server.url(), f"drop database {url.rpartition('/')[2]} with (force)")
    cpu += sum(json.loads(output)["cpu"] for output, _ in answers)
    return Run(contender, jobs / seconds, cpu / jobs * 1000, database / jobs * 1000)


async def measure(server: Postgres, *, jobs: int, processes: int, at_once: int, repeats: int) -> list[Run]:
    """The contenders take turns."""
    runs = []
    for _ in range(repeats):
        for contender in CONTENDERS:
            runs.append(await one_run(server, contender, jobs=jobs, processes=processes, at_once=at_once))
            print(f"{contender}: {runs[-1].rate:.0f}/s", flush=True)
    return runs


def shown(runs: Sequence[Run], *, jobs: int, processes: int, at_once: int) -> Table:
    """Medians."""
    table = Table(title=f"Claim and complete: {jobs} jobs, {processes} processes, {at_once} at once in each")
    for heading in ("", "per second", "÷ procrastinate", "ms CPU, workers", "ms CPU, database"):
        table.add_column(heading, justify="right")
    base = rate(runs, PROCRASTINATE)
    for name in CONTENDERS:
        mine = [run for run in runs if run.contender == name]
        table.add_row(
            name,
            f"{rate(runs, name):.0f}",
            f"{rate(runs, name) / base:.2f}",
            f"{statistics.median(run.workers for run in mine):.2f}",
            f"{statistics.median(run.database for run in mine):.2f}",
        )
    return table


def rate(runs: Sequence[Run], contender: str) -> float:
    return statistics.median(run.rate for run in runs if run.contender == contender)


def verdict(runs: Sequence[Run]) -> str:
    ratio = rate(runs, OURS) / rate(runs, PROCRASTINATE)
    beside = f"{rate(runs, OURS) / rate(runs, PGQUEUER):.2f} × pgqueuer one by one"
    ten = f"{rate(runs, OURS) / rate(runs, PGQUEUER_TEN):.2f} × pgqueuer by tens"
    return f"Claim and complete: {ratio:.2f} × procrastinate (goal: 3), {beside}, {ten}."
