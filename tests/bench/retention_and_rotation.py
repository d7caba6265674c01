"""Rotation of both keys, and a night's retention run, over a million callbacks while people call and agents claim.

On a PostgreSQL that syncs each commit. The rows are closed callbacks of forty days ago, each with its call and an
attempt. Both run as an operator's commands, in separate processes; meanwhile callers are registered, claimed and
closed at a steady rate, timed before, during and after. `python -m tests.bench.retention_and_rotation`.
"""

import argparse
import asyncio
import contextlib
import itertools
import statistics
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
from rich.console import Console
from rich.table import Table

from desk.access.actor import CALLER
from desk.callbacks.model import CallKey
from desk.callbacks.services import CallbackServices, callback_services
from desk.clock import SystemClock
from desk.database.engine import Database
from desk.inquiries.model import ClosedReason
from desk.key_rotation.keyring import Keyring
from desk.paths import ROOT
from desk.schema.migrate import migrate
from ops.machine import postgres
from tests.support.desk.desk import DEPARTMENTS, as_agent, person, phone
from tests.support.desk.sealed_database import INDEX, NEW, NEW_INDEX, OLD, changing_vault, old_vault, variables, written
from tests.support.environment import without_ours
from tests.support.machine.systems import create_database

AGO = timedelta(days=40)
COPIED_AT_ONCE = 50_000
BELONGING = """
insert into calls (asterisk_id, channel_id, department, at, phone, phone_mobile, incomplete, callback_id)
    select 'filled', id::text, department, created_at, phone, phone_mobile, false, id
    from inquiries join callbacks using (id);
insert into attempts (callback_id, at, agent, outcome, counted, note)
    select id, created_at, 'kari', 'reached', true, 'svarte' from inquiries;
analyze;
"""


@dataclass
class Load:
    """The duration of each registration and claim, in seconds, and the failures."""

    registered: list[float] = field(default_factory=list)
    claimed: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Measured:
    """One phase: its name, duration, number of rows, and concurrent load."""

    name: str
    seconds: float
    rows: int
    load: Load
    said: str = ""


async def fill(url: str, rows: int) -> None:
    """Closed callbacks under the old key, with a call and an attempt each."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    vault, then = old_vault(), datetime.now(UTC) - AGO
    columns = (
        *("id", "kind", "department", "status", "priority", "patient_kind", "patient_masked", "patient_number"),
        *("patient_index", "subject_key", "promise_policy", "promise_from", "promise_by", "promise_spoken", "language"),
        *("created_at", "fence", "version", "closed_reason", "closed_at"),
    )

    own = ("id", "phone", "phone_mobile", "call_count", "attempts_from")

    def row(n: int) -> tuple[tuple[object, ...], tuple[object, ...]]:
        id, number, at = uuid4(), f"{n:011}", then - timedelta(seconds=n / 10)
        index = vault.index(number)
        inquiry = (
            *(id, "callback", "kirurgi", "closed", 1, "fnr", f"{number[:6]}*****"),
            *(vault.seal(number, "inquiries.patient_number", str(id)), index, index),
            *("deadline", at, at, "i dag innen klokken 15", "nb", at, 1, 3, "reached", at),
        )
        return inquiry, (id, f"+47680{n % 100_000:05}", False, 1, at)

    try:
        for first in range(0, rows, COPIED_AT_ONCE):
            some = [row(n) for n in range(first, min(first + COPIED_AT_ONCE, rows))]
            inquiries, callbacks = zip(*some, strict=True)
            await connection.copy_records_to_table("inquiries", records=inquiries, columns=columns)
            await connection.copy_records_to_table("callbacks", records=callbacks, columns=own)
        for statement in BELONGING.split(";\n"):
            if statement.strip():
                await connection.execute(statement)
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def loaded(desk: CallbackServices, numbers: "itertools.count[int]", rate: float) -> AsyncIterator[Load]:
    """Within the block, callers are registered, claimed and closed, `a_second` of each per second."""
    load, stop = Load(), asyncio.Event()

    async def one(n: int) -> None:
        begun = time.perf_counter()
        await desk.registration.register(CALLER, CallKey("bench", str(n)), "kirurgi", person(n), phone(n % 10_000))
        load.registered.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        claimed = await desk.claiming.claim(as_agent("kari"), "kirurgi")
        load.claimed.append(time.perf_counter() - begun)
        for callback in claimed:
            await desk.outcomes.close(as_agent("kari"), callback.id, ClosedReason.REACHED, fence=callback.fence)

    async def go_on() -> None:
        begun = time.perf_counter()
        for done in itertools.count():
            if stop.is_set():
                return
            try:
                await one(next(numbers))
            except Exception as fault:
                load.failed.append(repr(fault))
            await asyncio.sleep(max(0.0, begun + (done + 1) / rate - time.perf_counter()))

    going = asyncio.create_task(go_on())
    try:
        yield load
    finally:
        stop.set()
        await going


async def command(url: str, *words: str) -> str:
    """Run an `innringing` command in a process of its own. Returns its last line."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "innringing", *words),
        cwd=ROOT,
        env={
            **without_ours(),
            **variables(url, identity_key=written(v2=NEW, v1=OLD), index_key=written(v2=NEW_INDEX, v1=INDEX)),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    lines = (await process.communicate())[0].decode().splitlines()
    if process.returncode != 0:
        raise SystemExit("\n".join(lines[-20:]))
    return " ".join(line for line in lines if "…" not in line)


async def measure(rows: int, rate: float, quiet: float) -> list[Measured]:
    with postgres.start(durable=True) as server:
        url = await create_database(server)
        await migrate(url)
        database = Database(url)
        await Keyring(database=database, vault=old_vault(), clock=SystemClock()).check()
        begun = time.perf_counter()
        await fill(url, rows)
        Console(stderr=True).print(f"filled in {time.perf_counter() - begun:.0f} s")
        desk = callback_services(
            database=database, departments=lambda: DEPARTMENTS, vault=changing_vault(), clock=SystemClock()
        )
        numbers, found = itertools.count(), []
        async with loaded(desk, numbers, rate):  # a warm-up, for the calendar and the connection pool
            await asyncio.sleep(2)
        for name, words in (
            ("nothing else", None),
            ("rotating", ("keys", "rotate")),
            ("deleting", ("retention", "run", "--clock-is-right")),
            ("nothing else", None),
        ):
            begun = time.perf_counter()
            async with loaded(desk, numbers, rate) as load:
                said = await command(url, *words) if words else ""
                seconds = time.perf_counter() - begun
                if not words:
                    await asyncio.sleep(quiet)
            found.append(Measured(name, seconds if words else quiet, rows if words else 0, load, said))
        await database.close()
    return found


def shown(found: list[Measured], rows: int, rate: float) -> Table:
    """Milliseconds of the concurrent load in each phase."""
    table = Table(title=f"{rows} closed callbacks; {rate:g} registered, claimed and closed a second meanwhile")
    for name in ("Beside", "s", "rows/s", "register p50", "p99", "max", "claim p50", "p99", "max", "failed"):
        table.add_column(name, justify="left" if name == "Beside" else "right")
    for each in found:
        cells = [each.name, f"{each.seconds:.0f}", f"{each.rows / each.seconds:.0f}" if each.rows else ""]
        for times in (each.load.registered, each.load.claimed):
            parts = statistics.quantiles(times, n=100, method="inclusive")
            cells += [f"{value * 1000:.1f}" for value in (parts[49], parts[98], max(times))]
        table.add_row(*cells, str(len(each.load.failed)))
    return table


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.bench.retention_and_rotation", description=__doc__)
    asked.add_argument("--rows", type=int, default=1_000_000)
    asked.add_argument("--rate", type=float, default=10.0, help="callers a second")
    asked.add_argument("--quiet", type=float, default=20.0, help="seconds measured with nothing else going on")
    given = asked.parse_args()
    found = asyncio.run(measure(given.rows, given.rate, given.quiet))
    console = Console(width=120)
    console.print(shown(found, given.rows, given.rate))
    for each in found:
        for line in (each.said, *each.load.failed[:5]):
            if line:
                console.print(f"{each.name}: {line}")


if __name__ == "__main__":
    main()
