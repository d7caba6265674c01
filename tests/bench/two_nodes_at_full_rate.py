"""`python -m tests.bench.two_nodes_at_full_rate`: calls a second that one node carries, and that two nodes carry.

Two nodes on one machine share its processors. So each gets a share of one processor that is its own, like a small
machine (`--share`, percent; the kernel's cpu controller, so it needs root). Kamailio, PostgreSQL and the callers have
the rest of this machine.

Callers of sipp ring through Kamailio at a steady rate. The rate is carried where each of them left exactly one
callback with the right number, at most a second later than on an idle system (for 99 of 100). First with one node in
Kamailio's list, at ever higher rates until one is too high. Then with both, at twice those rates. Exit code 1 where two
nodes carry less than 1.9 times the calls of one.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from rich.console import Console
from rich.table import Table

from ops.machine import postgres
from tests.chaos.many_at_once import fault_of, people
from tests.chaos.stored import Stored, read_stored
from tests.support.machine.shares import NoShares, share_of_processor, throttled
from tests.support.machine.systems import create_database
from tests.support.machine.two_nodes import PROXY, TELEPHONE_COMPANY, Nodes, two_nodes
from tests.support.phone import sipp

GOAL = 1.9
STEP = 1.15
"""Between two rates."""
LISTENS = 2.0
"""Seconds until the first key."""
LATE = 1.0
IDLE_CALLS = 8
SETTLES = 3.0


@dataclass(frozen=True)
class Run:
    """Callers at one rate. `late`: seconds beyond an idle system's, of 99 in 100.

    `waited`: periods in which a node wanted more than its share.
    """

    nodes: int
    rate: float
    calls: int
    wrong: int
    late: float
    waited: int

    @property
    def carried(self) -> bool:
        return not self.wrong and self.late <= LATE


class Callers:
    """People who ring through Kamailio. No one rings twice."""

    def __init__(self, nodes: Nodes, url: str, folder: Path, groups: Sequence[Path]) -> None:
        self._nodes, self._url, self._folder, self._groups = nodes, url, folder, groups
        self._first = 0
        self.usual = 0.0

    async def ring(self, nodes: int, rate: float, seconds: float) -> Run:
        """Let them ring for so long. `usual` is what an idle system needs from the call's arrival to the callback."""
        callers = people(self._first, max(round(rate * seconds), IDLE_CALLS))
        self._first += len(callers)
        before = sum(map(throttled, self._groups))
        rung = await sipp.ring(
            self._folder / "sipp",
            self._nodes.port,
            "1000",
            callers,
            rate=rate,
            before_keys=LISTENS,
            seconds=round(seconds + 150),
            own=TELEPHONE_COMPANY,
            proxy=PROXY,
        )
        await asyncio.sleep(SETTLES)
        stored = await read_stored(self._nodes.one.system.settings, self._url)
        faults = [fault for number, identity in callers if (fault := fault_of(number, identity, stored))]
        took = [each for number, _ in callers if (each := _took(stored, number)) is not None]
        slow = quantiles(took, n=100, method="inclusive")[-1] if len(took) > 1 else float("inf")
        waited = sum(map(throttled, self._groups)) - before
        run = Run(nodes, rate, len(callers), len(faults) + rung.failed, slow - self.usual, waited)
        print(run, *faults[:3], sep="\n  ", flush=True)
        return run


def _took(stored: Stored, number: str) -> float | None:
    """Seconds from the call's arrival to the callback."""
    made = next((each.made for each in stored.callbacks.get(number, [])), None)
    came = next((each.at for each in stored.calls.get(number, [])), None)
    return (made - came).total_seconds() if made and came else None


async def measured(nodes: Nodes, callers: Callers, *, first: float, seconds: float) -> list[Run]:
    """Find what one node carries, and then what both do. The last that was carried of each is the result."""
    second = f"sip:127.0.0.1:{nodes.two.system.settings.sip.port}"
    callers.usual = (await callers.ring(2, 0.5, IDLE_CALLS / 0.5)).late
    nodes.proxy.command("dispatcher.set_state", "d", "1", second)
    runs, rate = [], first
    while (run := await callers.ring(1, rate, seconds)).carried:
        runs.append(run)
        rate *= STEP
    runs.append(run)
    nodes.proxy.command("dispatcher.set_state", "a", "1", second)
    await asyncio.sleep(SETTLES)
    rate = 2 * rate / STEP  # twice what one node carried
    while not (run := await callers.ring(2, rate, seconds)).carried and rate > first:
        runs.append(run)
        rate /= STEP ** (1 / 3)
    return [*runs, run]


def node_pids(nodes: Nodes) -> list[list[int]]:
    """The programs of each node."""
    systems = [each.system for each in (nodes.one, nodes.two)]
    return [[each.asterisk.pid, each.ivr.pid, each.api.pid] for each in systems]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--share", type=float, default=25.0, help="percent of one processor for each node")
    options.add_argument("--first", type=float, default=1.2, help="the first rate, in calls a second")
    options.add_argument("--seconds", type=float, default=60.0, help="how long callers ring at each rate")
    given = options.parse_args()
    begun = time.monotonic()
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        server = opened.enter_context(postgres.start())
        url = asyncio.run(create_database(server))
        nodes = opened.enter_context(two_nodes(folder, url, calls_at_once=2000, rtp_ports="10000-12999"))
        try:
            groups = [
                opened.enter_context(share_of_processor(f"{os.getpid()}-{n}", pids, given.share))
                for n, pids in enumerate(node_pids(nodes))
            ]
        except NoShares as error:
            sys.exit(f"no share of a processor for a node: {error}")
        callers = Callers(nodes, url, folder, groups)
        runs = asyncio.run(measured(nodes, callers, first=given.first, seconds=given.seconds))
    table = Table(title=f"Each node has {given.share:.0f} % of one processor; load {os.getloadavg()[0]:.1f}")
    for column in ("nodes", "calls a second", "calls", "not one right callback", "late, s", "carried"):
        table.add_column(column, justify="right")
    for run in runs:
        carried = "yes" if run.carried else "no"
        table.add_row(str(run.nodes), f"{run.rate:.2f}", str(run.calls), str(run.wrong), f"{run.late:.2f}", carried)
    Console().print(table)
    most = {n: max((run.rate for run in runs if run.nodes == n and run.carried), default=0.0) for n in (1, 2)}
    ratio = most[2] / most[1] if most[1] else 0.0
    print(f"two nodes carry {ratio:.2f} times the calls of one ({time.monotonic() - begun:.0f} s)")
    return 0 if ratio >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
