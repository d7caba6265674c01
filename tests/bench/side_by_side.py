"""For how long a page shows what is no longer true: `python -m tests.bench.side_by_side`.

Two agents at the queue and a leader at the desk, each in a Chromium window of their own, one api process, PostgreSQL
that syncs each commit. Callers ring, and agents claim, release, transfer, change priority and note, and record
outcomes, at random, by REST and by clicks. Each page's rows are compared with the database all the time; the goal is
one second. The comparison itself takes time of the same machine.
"""

import argparse
import asyncio
import os
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ops.machine import postgres
from tests.support.machine.systems import create_database
from tests.support.web.browser import chromium
from tests.support.web.side_by_side import SideBySide, side_by_side


async def measure(seconds: float, every: float, seed: int) -> SideBySide:
    """Change things for that long."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="innringing-bench-")))
        server = stack.enter_context(postgres.start(durable=True))
        browser = await stack.enter_async_context(chromium())
        made = await side_by_side(stack, browser, await create_database(server), folder, seed)
        watching = [asyncio.create_task(each.watch()) for each in made.screens]
        watching.append(asyncio.create_task(made.truth.follow()))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await made.change()
            await asyncio.sleep(made.dice.uniform(0, 2 * every))
        await asyncio.sleep(3)
        for task in watching:
            if task.done():
                task.result()
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    return made


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.bench.side_by_side", description=__doc__)
    asked.add_argument("--seconds", type=float, default=120.0)
    asked.add_argument("--every", type=float, default=0.3, help="seconds between two changes, on average")
    asked.add_argument("--seed", type=int, default=16)
    given = asked.parse_args()
    before = os.getloadavg()[0]
    made = asyncio.run(measure(given.seconds, given.every, given.seed))
    table = Table(title=f"Side by side for {given.seconds:g} s, {sum(made.done.values())} changes: {made.done}")
    for name in ("page", "longest wrong, ms", "what", "looks"):
        table.add_column(name)
    for each in made.screens:
        table.add_row(each.name, f"{each.longest * 1000:.0f}", each.what, str(each.looks))
    table.caption = f"Load {before:.1f} before, {os.getloadavg()[0]:.1f} after, {os.cpu_count()} cores"
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
