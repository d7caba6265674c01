"""The audit's cost per request: `python -m tests.bench.audit`, on SQLite and on a PostgreSQL that syncs each commit.

Two apis share one database: ours, and one with a layer in place of the audit that does nothing
(tests/bench/without_audit.py; the product has no such switch). A third is ours without folding, so that every list is
a first view. They take turns, a few requests each; the figures are medians of the waits. «Commit» is one row committed
alone by the engine's own driver, in the same turns: the disk's part of the difference.

The machine's load is printed first and last. On a busy machine only ratios within a run are meaningful.
"""

import argparse
import asyncio
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import uvloop
from rich.console import Console
from rich.table import Table

from ops.machine import postgres
from ops.machine.postgres import Postgres
from tests.bench.requests import Asker
from tests.support.machine.systems import create_database
from tests.support.web.api_process import API, environment, running_api
from tests.support.web.api_queue import open_queue, people_ring

WITHOUT, OURS, WHOLE = "without", "ours", "ours, nothing folded"
ME, LIST = "/api/v1/me", "/api/v1/callbacks?department=kirurgi&status=waiting&limit=50"
CASES = (
    ("GET /me", ME, 1, OURS),
    ("list of 50, first look", LIST, 1, WHOLE),
    ("list of 50, looked at again", LIST, 1, OURS),
    ("lists at once, first looks", LIST, 20, WHOLE),
    ("lists at once, looked at again", LIST, 20, OURS),
)
"""Name, request, number of simultaneous requests, and the contender."""


@dataclass
class Waits:
    """Seconds, by case and contender; `commits`: of one row committed alone."""

    requests: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    commits: list[float] = field(default_factory=list)

    def median(self, case: str, contender: str) -> float:
        """In milliseconds."""
        return statistics.median(self.requests[case, contender]) * 1000


async def measure(url: str, *, turns: int, requests: int, at_once: int) -> Waits:
    """Requests per turn and case; simultaneous ones are sent together, once a turn."""
    waits = Waits()
    with tempfile.TemporaryDirectory(prefix="innringing-bench-") as name, ExitStack() as running:
        folder = Path(name)
        async with open_queue(url, folder) as desk:
            await people_ring(desk, "kirurgi", 60)
        askers: dict[str, list[Asker]] = {}
        async with AsyncExitStack() as open_:
            for contender, command, minutes in (
                (WITHOUT, ("tests.bench.without_audit",), 15),
                (OURS, API, 15),
                (WHOLE, API, 0),
            ):
                variables = environment(url, folder, audit_fold_minutes=str(minutes))
                started = running_api(variables, command=command, log=f"{len(askers)}.log")
                server = await asyncio.to_thread(running.enter_context, started)
                asked = [Asker(server.url, server.token) for _ in range(at_once)]
                askers[contender] = [await open_.enter_async_context(asker) for asker in asked]
            commit = await open_.enter_async_context(_Commits(url))
            for turn in range(turns + 1):  # a warm-up
                await _turn(askers, requests, waits if turn else Waits())
                for _ in range(requests):
                    waits.commits += [await commit()] if turn else []
    return waits


async def _turn(askers: dict[str, list[Asker]], requests: int, waits: Waits) -> None:
    for case, path, together, audited in CASES:
        for contender in (WITHOUT, audited):
            mine = askers[contender][: together if together == 1 else None]
            for _ in range(requests if together == 1 else 1):
                await asyncio.gather(*(asker.ask(path) for asker in mine))
            for asker in mine:
                waits.requests[case, contender] += asker.waits
                asker.waits.clear()


class _Commits:
    """Commits rows of its own table, one at a time, by the engine's driver. A call returns the seconds of one."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> Callable[[], Awaitable[float]]:
        if self._url.startswith("sqlite"):
            self._file = sqlite3.connect(self._url.partition(":///")[2], isolation_level=None)
            self._file.execute("pragma synchronous = full")
            self._file.execute("create table bench_commits (n integer)")
            return self._of_sqlite
        self._server = await asyncpg.connect(self._url.replace("+asyncpg", ""))
        await self._server.execute("create table bench_commits (n integer)")
        return self._of_postgresql

    async def __aexit__(self, *_: object) -> None:
        if self._url.startswith("sqlite"):
            self._file.close()
        else:
            await self._server.close()

    async def _of_sqlite(self) -> float:
        begun = time.perf_counter()
        self._file.execute("insert into bench_commits values (1)")
        return time.perf_counter() - begun

    async def _of_postgresql(self) -> float:
        begun = time.perf_counter()
        await self._server.execute("insert into bench_commits values (1)")
        return time.perf_counter() - begun


def shown(engine: str, waits: Waits, *, at_once: int) -> Table:
    """Medians in milliseconds."""
    commit = statistics.median(waits.commits) * 1000
    table = Table(title=f"What the audit costs a request on {engine}; one commit {commit:.1f} ms")
    for heading in ("", "without", "with", "more", "÷ without", "more ÷ commit"):
        table.add_column(heading, justify="right")
    for case, _, together, audited in CASES:
        without, audit = waits.median(case, WITHOUT), waits.median(case, audited)
        more = audit - without
        name = case if together == 1 else f"{at_once} {case}"
        figures = (f"{without:.1f}", f"{audit:.1f}", f"{more:.1f}", f"{audit / without:.2f}", f"{more / commit:.1f}")
        table.add_row(name, *figures)
    return table


async def run(console: Console, given: argparse.Namespace) -> None:
    work = {"turns": given.turns, "requests": given.requests, "at_once": given.at_once}
    with tempfile.TemporaryDirectory(prefix="innringing-bench-") as folder:
        waits = await measure(f"sqlite+aiosqlite:///{folder}/audit.db", **work)
        console.print(shown("SQLite", waits, at_once=given.at_once))
    server: Postgres
    with postgres.start(durable=True) as server:
        waits = await measure(await create_database(server), **work)
        console.print(shown("PostgreSQL", waits, at_once=given.at_once))


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.bench.audit", description=__doc__)
    asked.add_argument("--turns", type=int, default=10)
    asked.add_argument("--requests", type=int, default=20, help="a turn, of each case that asks alone")
    asked.add_argument("--at-once", type=int, default=20)
    given = asked.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 130)
    console.print(f"Load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    uvloop.run(run(console, given))
    console.print(f"Load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
