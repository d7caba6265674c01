"""`python -m tests.bench.start`: from the start of `innringing ivr` until the first caller hears a word.

A whole running system on SQLite, whose phone door is stopped and started again. A patient calls as soon as the phone
door is in Asterisk, and the first packet of the welcome is timed on the wire. Wall clock: measure on a quiet machine.

Exit code 1 if the median to the first word is more than 1.5 seconds.
"""

import argparse
import asyncio
import base64
import os
import statistics
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from ivr.asterisk.events import APP_NAME
from ops.machine import tree
from tests.support.machine.servers import machine_settings
from tests.support.machine.system import System, run, running_system, until
from tests.support.phone.callers import ringing

GOAL = 1.5
ASKED_EVERY = 0.01


@dataclass(frozen=True)
class Start:
    """Seconds from the start of the process: until it is in Asterisk, and until a caller hears the welcome.

    `processor`: its seconds of processor until then, which other work on the machine does not change.
    """

    connected: float
    first_word: float
    processor: float
    memory: float  # MB, resident, after the first word


def in_asterisk(system: System) -> bool:
    """Ask over ARI, which is quicker than the console."""
    ari = system.settings.ari
    signed = base64.b64encode(f"{ari.user}:{ari.require_password()}".encode()).decode()
    address = f"http://127.0.0.1:{ari.port}/ari/applications/{APP_NAME}"
    asked = urllib.request.Request(address, headers={"Authorization": f"Basic {signed}"})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=2):
            return True
    except urllib.error.HTTPError:
        return False


async def start(system: System, n: int) -> Start:
    """Start the phone door once, and call."""
    await asyncio.to_thread(system.ivr.stop)
    await asyncio.to_thread(until, lambda: not in_asterisk(system))
    begun = time.time()
    system.ivr = system.start("ivr")
    while not await asyncio.to_thread(in_asterisk, system):  # noqa: ASYNC110  # nothing reports it
        await asyncio.sleep(ASKED_EVERY)
    connected = time.time() - begun
    async with ringing(system.settings, "1000", f"+47{68_050_010 + n}") as caller:
        heard = await caller.hears("welcome")
        first_word = caller.instant(heard) - begun
        phone_door = psutil.Process(system.ivr.pid)
        used, memory = phone_door.cpu_times(), phone_door.memory_info().rss / 1e6
        await caller.hangs_up()
    return Start(connected, first_word, used.user + used.system, memory)


async def start_often(system: System, times: int) -> list[Start]:
    """One start after another."""
    return [await start(system, n) for n in range(times)]


def shown(starts: list[Start]) -> Table:
    table = Table(title=f"Starts of the phone door, {len(starts)}, at a load of {os.getloadavg()[0]:.1f}")
    for heading in ("", "median", "longest"):
        table.add_column(heading, justify="right")
    for name, unit, found in (
        ("in Asterisk", "s", [each.connected for each in starts]),
        ("first word to the first caller", "s", [each.first_word for each in starts]),
        ("processor", "s", [each.processor for each in starts]),
        ("resident memory", "MB", [each.memory for each in starts]),
    ):
        table.add_row(name, f"{statistics.median(found):.2f} {unit}", f"{max(found):.2f} {unit}")
    return table


def main() -> None:
    asked = argparse.ArgumentParser(prog="start", description=__doc__)
    asked.add_argument("--times", type=int, default=5)
    given = asked.parse_args()
    tools = tree.ensure(tree.ASTERISK) / "bin"
    with tempfile.TemporaryDirectory(prefix="innringing-bench-") as folder:
        run(machine_settings(Path(folder)), "prompts", "build", "--tools", str(tools), seconds=300)
        with running_system(Path(folder)) as system:
            starts = asyncio.run(start_often(system, given.times))
    Console(width=None if sys.stdout.isatty() else 130).print(shown(starts))
    if statistics.median(each.first_word for each in starts) > GOAL:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
