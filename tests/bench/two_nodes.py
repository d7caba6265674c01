"""`python -m tests.bench.two_nodes`: do two nodes carry twice the calls of one, and what does Kamailio cost?

Two nodes on one machine share its processors, so speed can't show it. Two other things can:

- places: each node takes `--places` calls at once and then says that it is busy (CALLS_AT_ONCE). Three times as many
  callers ring through Kamailio, first with one node in its list, then with both. How many are served?
- processor time: the same calls, each to its receipt, straight to a node and through Kamailio. Seconds of Asterisk,
  phone door and Kamailio for each call.

Where both nodes get half of the calls, and a call costs a node the same, two machines carry twice as much, as long as
PostgreSQL keeps up: tests.bench.queue has its figures. Exit code 1 below 1.9 times.
"""

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from ops.machine import postgres
from ops.softphone.phone import Phone
from tests.support.machine.systems import create_database
from tests.support.machine.two_nodes import TELEPHONE_COMPANY, Nodes, two_nodes
from tests.support.phone.callers import Caller, name_of
from tests.support.synthetic import synthetic_identity

GOAL = 1.9
BUSY, SERVED = "many_callers", "welcome"


@dataclass(frozen=True)
class Callers:
    """People who ring a department through one SIP address."""

    company: Phone
    prompts: Path

    async def ring(self, number: str) -> Caller:
        return Caller(await self.company.ring("1000", caller=number, patience=60), self.prompts)


async def places(nodes: Nodes, callers: int) -> int:
    """Return how many of the callers, who ring at once, are served. The others hear that we are busy."""
    prompts = nodes.one.system.settings.files.prompts / "build" / "nb"
    async with nodes.telephone_company() as company:
        people = Callers(company, prompts)
        called = await asyncio.gather(*(people.ring(f"+47680508{n:02}") for n in range(callers)))
        heard = await asyncio.gather(*(caller.hears(SERVED, BUSY) for caller in called))
        await asyncio.gather(*(caller.hangs_up() for caller in called))
    first_words = Counter(name_of(each.key) for each in heard)
    print(f"{callers} callers heard {dict(first_words)}", flush=True)
    return first_words[SERVED]


async def processor(nodes: Nodes, calls: int, *, by_proxy: bool) -> dict[str, float]:
    """Milliseconds of processor for each of these calls, by program. They come one after the other, in pairs."""
    programs = {
        "Asterisk": [each.system.asterisk.pid for each in (nodes.one, nodes.two)],
        "phone door": [each.system.ivr.pid for each in (nodes.one, nodes.two)],
        "Kamailio": [nodes.proxy.pid],
    }
    before = {name: used(pids) for name, pids in programs.items()}
    others = calls if by_proxy else 0  # a person who has called already is answered otherwise
    async with nodes.telephone_company() if by_proxy else Phone(port=nodes.one.system.settings.sip.port) as phone:
        for first in range(others, others + calls, 2):
            await receipts(nodes, phone, first)
    return {name: 1000 * (used(pids) - before[name]) / calls for name, pids in programs.items()}


async def receipts(nodes: Nodes, phone: Phone, first: int) -> None:
    people = Callers(phone, nodes.one.system.settings.files.prompts / "build" / "nb")

    async def one(n: int) -> None:
        caller = await people.ring(f"+4768052{n:03}")
        await caller.hears(SERVED)
        await caller.keys(synthetic_identity(n))
        await caller.hears("received")
        await caller.hangs_up()

    await asyncio.gather(one(first), one(first + 1))


def used(pids: Sequence[int]) -> float:
    """Seconds of processor of these processes and their children."""
    processes = [each for pid in pids for each in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))]
    return sum(sum(each.cpu_times()[:2]) for each in processes)


async def measured(nodes: Nodes, given: argparse.Namespace) -> tuple[int, int, dict[str, float], dict[str, float]]:
    second = f"sip:127.0.0.1:{nodes.two.system.settings.sip.port}"
    nodes.proxy.command("dispatcher.set_state", "d", "1", second)
    one = await places(nodes, 3 * given.places)
    nodes.proxy.command("dispatcher.set_state", "a", "1", second)
    await asyncio.sleep(3)  # until both count as alive, and the first callers' places are free
    both = await places(nodes, 3 * given.places)
    await asyncio.sleep(3)
    straight = await processor(nodes, given.calls, by_proxy=False)
    return one, both, straight, await processor(nodes, given.calls, by_proxy=True)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--places", type=int, default=6, help="calls at once for each node")
    options.add_argument("--calls", type=int, default=40, help="calls for the processor time")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, postgres.start() as server:
        url = asyncio.run(create_database(server))
        with two_nodes(Path(folder), url, calls_at_once=given.places) as nodes:
            one, both, straight, through = asyncio.run(measured(nodes, given))
    table = Table(title=f"Callers at {TELEPHONE_COMPANY} ring; {given.places} places for each node")
    for column in ("", "one node, straight", "two nodes, through Kamailio", "ratio"):
        table.add_column(column, justify="left" if not column else "right")
    table.add_row(f"served of {3 * given.places} at once", str(one), str(both), f"{both / max(one, 1):.2f}")
    for name in through:
        ratio = f"{through[name] / straight[name]:.2f}" if name != "Kamailio" else ""
        table.add_row(f"{name}, ms a call", f"{straight[name]:.1f}", f"{through[name]:.1f}", ratio)
    whole = [sum(each.values()) for each in (straight, through)]
    table.add_row("all, ms a call", *(f"{each:.1f}" for each in whole), f"{whole[1] / whole[0]:.2f}")
    Console().print(table)
    return 0 if both >= GOAL * one else 1


if __name__ == "__main__":
    sys.exit(main())
