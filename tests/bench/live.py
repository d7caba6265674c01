"""The delay until agents see a change: 200 of them follow one api process, on a PostgreSQL that syncs each commit.

A change is the registration of a caller, as by the phone door. Its time runs from just before the call to the desk, so
that its commit is included, until each reader has the event. `python -m tests.bench.live`.
"""

import argparse
import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from rich.console import Console
from rich.table import Table

from desk.access.actor import CALLER, SYSTEM
from desk.access.permissions import Role
from desk.accounts.agents import Agents
from desk.callbacks.model import CallKey
from desk.callbacks.services import CallbackServices
from desk.clock import SystemClock
from desk.database.engine import Database
from ops.machine import postgres
from tests.support.desk.desk import person, phone
from tests.support.machine.systems import create_database
from tests.support.web.api_process import ApiProcess, environment, running_api
from tests.support.web.api_queue import open_queue


@dataclass
class Seen:
    """When each change was requested, how many seconds later each reader had it, and the api's seconds of CPU."""

    asked: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    cpu: float = 0.0


@contextlib.asynccontextmanager
async def following(api: ApiProcess, token: str, seen: Seen) -> AsyncIterator[None]:
    """One reader, after its first position. The n-th change that it gets is the n-th that was made."""
    address = urlsplit(api.url)
    incoming, outgoing = await asyncio.open_connection(address.hostname, address.port)
    outgoing.write(
        f"GET /api/v1/events HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )
    while not (line := await incoming.readline()).startswith(b"id: "):
        assert line, "the stream was refused"

    async def read() -> None:
        got = 0
        while line := await incoming.readline():
            if line.startswith(b"data: "):
                seen.waits.append(time.perf_counter() - seen.asked[got])
                got += 1

    reading = asyncio.create_task(read())
    try:
        yield
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        outgoing.close()


async def run(api: ApiProcess, desk: CallbackServices, tokens: Sequence[str], *, changes: int, rate: float) -> Seen:
    """Make `changes` changes at `rate`, for a reader with each token: one may have only some streams."""
    seen = Seen()
    async with contextlib.AsyncExitStack() as open_streams:
        for token in tokens:
            await open_streams.enter_async_context(following(api, token, seen))
        begun = time.perf_counter()
        for n in range(changes):
            await asyncio.sleep(max(0.0, begun + n / rate - time.perf_counter()))
            seen.asked.append(time.perf_counter())
            await desk.registration.register(CALLER, CallKey("bench", str(n)), "kirurgi", person(n), phone(n))
        for _ in range(600):
            if len(seen.waits) >= len(tokens) * changes:
                break
            await asyncio.sleep(0.05)
    return seen


def shown(seen: Seen, *, readers: int, changes: int, rate: float) -> Table:
    """Milliseconds, over all readers and changes."""
    table = Table(title=f"Live: {readers} readers of one process, {changes} changes at {rate:g}/s")
    row = {}
    if len(seen.waits) > 1:
        parts = statistics.quantiles(seen.waits, n=100)
        row = {"p50 ms": parts[49], "p99 ms": parts[98], "longest ms": max(seen.waits)}
    row |= {"CPU of the api, ms a change": seen.cpu / changes}
    for name in (*row, "lost"):
        table.add_column(name, justify="right")
    table.add_row(*(f"{value * 1000:.1f}" for value in row.values()), str(readers * changes - len(seen.waits)))
    return table


async def _tokens(url: str, count: int) -> list[str]:
    database = Database(url)
    agents = Agents(database=database, clock=SystemClock())
    try:
        return [await agents.add(SYSTEM, f"reader-{n}", Role.AGENT, ["kirurgi"]) for n in range(count)]
    finally:
        await database.close()


async def seen(readers: int, changes: int, rate: float) -> Seen:
    """Measure with an api and a PostgreSQL of its own."""
    with tempfile.TemporaryDirectory(prefix="innringing-bench-") as folder, postgres.start(durable=True) as server:
        var_dir = Path(folder)
        url = await create_database(server)
        async with open_queue(url, var_dir) as desk:
            tokens = await _tokens(url, readers)
            with running_api(environment(url, var_dir)) as api:
                process = psutil.Process(api.pid)
                before = sum(process.cpu_times()[:2])
                found = await run(api, desk, tokens, changes=changes, rate=rate)
                found.cpu = sum(process.cpu_times()[:2]) - before
    return found


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.bench.live", description=__doc__)
    asked.add_argument("--readers", type=int, default=200)
    asked.add_argument("--changes", type=int, default=100)
    asked.add_argument("--rate", type=float, default=10.0, help="changes a second")
    given = asked.parse_args()
    readers, changes, rate = given.readers, given.changes, given.rate
    found = asyncio.run(seen(readers, changes, rate))
    Console().print(shown(found, readers=readers, changes=changes, rate=rate))


if __name__ == "__main__":
    main()
