"""How soon a new row is on every open console: 200 of them at one api process, on a PostgreSQL that syncs each commit.

Each console holds a stream as the queue page does, and takes the row from it; with `--asking` it asks for the rows that
changed, as pages do whose choice of rows only the server can judge. The agents have log-ins of their own. A row is a
caller's registration, as by the phone door; its time runs from just before that call, so that its commit is included,
until each console has its line. `python -m tests.bench.consoles`.
The consoles share the cores with the api, so their own CPU is shown too, with the registrations; waits include it.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from rich.console import Console as Printer
from rich.table import Table

from api.auth.cookies import SESSION
from desk.access.actor import CALLER, SYSTEM
from desk.access.permissions import ALL_DEPARTMENTS, Role
from desk.accounts.agents import Agents
from desk.accounts.sessions.model import LoginSource
from desk.accounts.sessions.service import Sessions
from desk.callbacks.model import CallKey
from desk.clock import SystemClock
from desk.database.engine import Database
from ops.machine import postgres
from tests.support.desk.desk import person, phone
from tests.support.machine.systems import create_database
from tests.support.web.api_process import ApiProcess, environment, running_api
from tests.support.web.api_queue import open_queue

COLLECT = 0.1  # seconds that a page collects changes for, before it asks


@dataclass
class Seen:
    """When each row was registered, and how many seconds later each console had it."""

    begun: dict[str, float] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    early: dict[str, list[float]] = field(default_factory=dict)
    """Rows that arrived before their registration had returned here."""

    def has(self, id: str) -> None:
        """A console has that row."""
        now = time.perf_counter()
        if id in self.begun:
            self.waits.append(now - self.begun[id])
        else:
            self.early.setdefault(id, []).append(now)

    def registered(self, id: str, begun: float) -> None:
        """It was registered from that moment on."""
        self.begun[id] = begun
        self.waits += [at - begun for at in self.early.pop(id, [])]


@dataclass
class OpenConsole:
    """One agent's open page."""

    api: ApiProcess
    secret: str
    seen: Seen
    asking: bool
    mine: set[str] = field(default_factory=set)
    changed: list[str] = field(default_factory=list)

    async def _get(self, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = urlsplit(self.api.url)
        incoming, outgoing = await asyncio.open_connection(address.hostname, address.port, limit=2**22)
        outgoing.write(
            f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nCookie: {SESSION}={self.secret}\r\n"
            "Accept: text/html\r\nAccept-Language: nb\r\nX-Repaint: 1\r\n\r\n".encode()
        )
        return incoming, outgoing

    async def follow(self, opened: asyncio.Event) -> None:
        """Read the stream, and take the rows from it or ask for them."""
        incoming, outgoing = await self._get("/queue/events")
        kind, asking = "message", None
        try:
            while line := await incoming.readline():
                if line.startswith(b"event: "):
                    kind = line[7:].strip().decode()
                elif line.startswith(b"id: "):
                    opened.set()
                elif line.startswith(b"data: "):
                    if kind == "rows" and not self.asking:
                        self._has(json.loads(line[6:])["rows"])
                    elif kind == "message" and self.asking:
                        self.changed.append(json.loads(line[6:])["callback"])
                        if asking is None or asking.done():
                            asking = asyncio.create_task(self._ask())
                elif not line.strip():
                    kind = "message"
        finally:
            outgoing.close()

    async def _ask(self) -> None:
        while True:
            await asyncio.sleep(COLLECT)
            ids, self.changed = self.changed, []
            if not ids:
                return
            incoming, outgoing = await self._get("/queue/rows?" + "&".join(f"id={id}" for id in ids))
            text = await self._body(incoming)
            outgoing.close()
            self._has([id for id in ids if f"row-{id}" in text])

    @staticmethod
    async def _body(incoming: asyncio.StreamReader) -> str:
        length = 0
        while (line := await incoming.readline()).strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return (await incoming.readexactly(length)).decode()

    def _has(self, ids: "list[str] | dict[str, str]") -> None:
        for id in ids:
            if id not in self.mine:
                self.mine.add(id)
                self.seen.has(id)


async def logged_in(database_url: str, consoles: int) -> list[str]:
    """Add as many agents, each with a log-in. Returns the secrets of their sessions."""
    database, clock = Database(database_url), SystemClock()
    agents, sessions = Agents(database=database, clock=clock), Sessions(database=database, clock=clock)
    secrets = []
    for n in range(consoles):
        await agents.add(SYSTEM, f"agent-{n}", Role.AGENT, [ALL_DEPARTMENTS])
        secrets.append((await sessions.open(SYSTEM, f"agent-{n}", source=LoginSource.PASSWORD)).token)
    await database.close()
    return secrets


async def measure(consoles: int, rows: int, rate: float, *, asking: bool) -> Table:
    """Register `rows` callers at `rate` a second."""
    seen = Seen()
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="innringing-bench-")))
        url = await create_database(stack.enter_context(postgres.start(durable=True)))
        desk = await stack.enter_async_context(open_queue(url, folder))
        api = stack.enter_context(running_api(environment(url, folder)))
        following = []
        for secret in await logged_in(url, consoles):
            opened = asyncio.Event()
            following.append(asyncio.create_task(OpenConsole(api, secret, seen, asking).follow(opened)))
            await opened.wait()
        await asyncio.sleep(2)
        process = psutil.Process(api.pid)
        before, own, start = sum(process.cpu_times()[:2]), time.process_time(), time.perf_counter()
        for n in range(rows):
            await asyncio.sleep(max(0.0, start + n / rate - time.perf_counter()))
            begun = time.perf_counter()
            key = CallKey("bench", str(n))
            made = await desk.registration.register(CALLER, key, "kirurgi", person(n), phone(n))
            seen.registered(made.callback.id, begun)
        for _ in range(400):
            if len(seen.waits) >= consoles * rows:
                break
            await asyncio.sleep(0.05)
        cpu, own = sum(process.cpu_times()[:2]) - before, time.process_time() - own
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
    return shown(
        seen,
        consoles * rows,
        {"api": cpu / rows, "consoles": own / rows},
        f"{consoles} consoles{', asking' if asking else ''}, {rate:g} rows/s",
    )


def shown(seen: Seen, wanted: int, cpu: Mapping[str, float], what: str) -> Table:
    """Milliseconds, over all consoles and rows."""
    table = Table(title=f"A new row on {what}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    parts = statistics.quantiles(seen.waits, n=100) if len(seen.waits) > 1 else [0.0] * 99
    row = {"p50 ms": parts[49], "p99 ms": parts[98], "longest ms": max(seen.waits, default=0.0)}
    row |= {f"CPU of the {part}, ms a row": seconds for part, seconds in cpu.items()}
    for name in (*row, "lost"):
        table.add_column(name, justify="right")
    table.add_row(*(f"{value * 1000:.1f}" for value in row.values()), str(wanted - len(seen.waits)))
    return table


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.bench.consoles", description=__doc__)
    asked.add_argument("--consoles", type=int, default=200)
    asked.add_argument("--rows", type=int, default=60)
    asked.add_argument("--rate", type=float, default=1.0, help="rows a second")
    asked.add_argument("--asking", action="store_true", help="ask for the rows instead of taking them from the stream")
    given = asked.parse_args()
    Printer(width=120).print(asyncio.run(measure(given.consoles, given.rows, given.rate, asking=given.asking)))


if __name__ == "__main__":
    main()
