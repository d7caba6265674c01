"""`make bench`: the same five-second call as plain dialplan and as ours, on one Asterisk, at rising rates.

The call asks, takes eleven digits and confirms. Ours also commits a callback to PostgreSQL first. The bench prints CPU
per call, simultaneous calls, wrong or lost digits, and the time from the last key to the commit and to the
confirmation, measured on the wire.

`sipp` makes the calls, and six calls of our own phone measure on the wire. CPU is user and system time of Asterisk,
the controller and PostgreSQL with its children, from before a run's first call until after its last, divided by the
number of calls; sipp and our phone are not counted. Ten uncounted calls to each contender come first, as a warm-up.
Contenders take turns, `--repeats` times at each rate, and medians are compared. «÷ dialplan» is Asterisk and
controller divided by Asterisk with the plain dialplan, at the same rate; the database is listed separately, since the
plain dialplan commits nothing. On a busy machine CPU per call grows too: distrust a run that lost a call, or whose
waits on the wire are seconds.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import math
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from desk.paths import ROOT
from desk.schema.migrate import migrate
from ops.machine import asterisk, postgres, tree
from tests.bench.processes import listening_at
from tests.support.machine.servers import machine_settings
from tests.support.machine.system import run, until, variables
from tests.support.machine.systems import create_database
from tests.support.phone import sipp
from tests.support.phone.callers import ringing
from tests.support.ports import free_port
from tests.support.synthetic import synthetic_identity

DIALPLAN = """
[departments](+)
exten => 9000,1,Answer()
 same => n,Read(KEYED,innringing/ask_identity,11,,1,5)
 same => n,GotoIf($["${KEYED}" = "${CALLERID(name)}"]?right)
 same => n,Set(GLOBAL(WRONG)=$[0${GLOBAL(WRONG)} + 1])
 same => n(right),Playback(innringing/received)
 same => n,Hangup()
exten => 9001,1,Set(DEPARTMENT=kirurgi)
 same => n,Goto(innringing,s,1)
exten => 9002,1,Stasis(peer)
 same => n,Hangup()
exten => 9003,1,Stasis(node)
 same => n,Hangup()
"""
PLAIN, OURS, PEER, NODE = "9000", "9001", "9002", "9003"
NAMES = {PLAIN: "dialplan", OURS: "ours", PEER: "plain aioari"} | ({NODE: "plain Node"} if shutil.which("node") else {})
PEERS = [name for extension, name in NAMES.items() if extension not in (PLAIN, OURS)]
PROBES = 6  # calls of our own phone in each run: they measure on the wire


@dataclass
class Run:
    """One contender at one rate. CPU in milliseconds per call, waits in milliseconds."""

    contender: str
    rate: float
    calls: int
    at_once: int
    asterisk: float
    controller: float
    database: float
    wrong: int
    to_commit: list[float] = field(default_factory=list)
    to_confirmation: list[float] = field(default_factory=list)

    @property
    def both(self) -> float:
        return self.asterisk + self.controller


class Bench:
    """One Asterisk, one database, one controller, for all runs."""

    def __init__(self, folder: Path, running: contextlib.ExitStack) -> None:
        """`running` ends what was started here, also when the rest does not start."""
        first = 12000 + free_port(socket.SOCK_DGRAM) % 50 * 100
        self._folder = folder
        self._database = running.enter_context(postgres.start())
        url = asyncio.run(create_database(self._database))
        asyncio.run(migrate(url))
        self.settings = machine_settings(folder, database_url=url, rtp_ports=f"{first}-{first + 2999}")
        run(self.settings, "prompts", "build", "--tools", str(tree.ensure(tree.ASTERISK) / "bin"), seconds=300)
        self._asterisk = running.enter_context(
            asterisk.start(self.settings, folder / "asterisk", extra={"extensions.conf": DIALPLAN})
        )
        self._told = folder / "told.jsonl"
        python, node = (sys.executable, "-m"), ("node", "--experimental-websocket")
        commands = {
            OURS: (*python, "tests.bench.controller", str(self._told)),
            PEER: (*python, "tests.bench.peer"),
            NODE: (*node, str(Path(__file__).with_name("peer.mjs"))),
        }
        self._controllers = {
            extension: running.enter_context(self._started(*commands[extension]))
            for extension in NAMES
            if extension in commands
        }
        apps = {"innringing", "peer"} | ({"node"} if NODE in NAMES else set())
        until(lambda: apps <= set(self._asterisk.console("ari show apps").split()))
        self._server = listening_at(self._database.port)
        self._numbers = itertools.count()

    @contextlib.contextmanager
    def _started(self, *command: str) -> Iterator[psutil.Process]:
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            env=variables(self.settings, ARI_PASSWORD=self.settings.ari.require_password()),
            stdin=subprocess.DEVNULL,
        )
        try:
            yield psutil.Process(child.pid)
        finally:
            child.terminate()
            child.wait()

    def run(self, extension: str, rate: float, calls: int) -> Run:
        wrong, told = self._wrong(), self._reported_so_far()
        callers = [self._caller() for _ in range(calls)]
        before = self._cpu(extension)
        rung, waits, probed = asyncio.run(self._ring(extension, callers, rate))
        after = self._cpu(extension)
        asterisk, controller, database = (1000 * (after[n] - before[n]) / (calls + PROBES) for n in range(3))
        expected = dict(callers + probed)
        lines = self._reported_so_far()[len(told) :]
        right = [line for line in lines if expected.get(line["phone"]) == line["identity"]]
        lost = rung.failed if extension != OURS else len(expected) - len(right)
        lost += self._wrong() - wrong + sum(math.isinf(wait) for wait in waits) * (extension != OURS)
        waited = [float(line["ms"]) for line in right]
        return Run(
            contender=NAMES[extension],
            rate=rate,
            calls=calls,
            at_once=rung.most_at_once,
            asterisk=asterisk,
            controller=controller,
            database=database,
            wrong=lost,
            to_commit=waited,
            to_confirmation=waits,
        )

    def _caller(self) -> tuple[str, str]:
        n = next(self._numbers)
        return f"+476805{n % 10_000:04}", synthetic_identity(1_000_000 + n)

    async def _ring(
        self, extension: str, callers: list[tuple[str, str]], rate: float
    ) -> tuple[sipp.Outcome, list[float], list[tuple[str, str]]]:
        folder = self._folder / f"sipp-{time.time():.0f}"
        load = asyncio.create_task(sipp.ring(folder, self.settings.sip.port, extension, callers, rate=rate, named=True))
        probes = [self._caller() for _ in range(PROBES)]
        span = len(callers) / rate
        waits = await asyncio.gather(
            *(self._probe(extension, caller, span * (n + 1) / (PROBES + 1)) for n, caller in enumerate(probes))
        )
        return await load, waits, probes

    async def _probe(self, extension: str, caller: tuple[str, str], after: float) -> float:
        """Milliseconds from the end of the last key to the first packet of the confirmation; infinite if none came."""
        await asyncio.sleep(after)
        phone, identity = caller
        async with ringing(self.settings, extension, phone, name=identity) as probe:
            await asyncio.sleep(0.5)
            await probe.keys(identity)
            last = probe.call.stream.last_key_at or 0.0
            await probe.ends()
            sentences = await probe.sentences()
            received = next((heard for heard in sentences if heard.key == "received"), None)
            return (probe.instant(received) - last) * 1000 if received else math.inf

    def _cpu(self, extension: str) -> tuple[float, float, float]:
        """Seconds of processor time so far: Asterisk, the controller, the database."""
        return (
            _seconds(psutil.Process(self._asterisk.pid)),
            _seconds(self._controllers[extension]) if extension in self._controllers else 0.0,
            sum(_seconds(process) for process in [self._server, *self._server.children(recursive=True)]),
        )

    def _wrong(self) -> int:
        lines = self._asterisk.console("dialplan show globals").splitlines()
        return next((int(line.partition("=")[2]) for line in lines if line.strip().startswith("WRONG=")), 0)

    def _reported_so_far(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self._told.read_text().splitlines()] if self._told.exists() else []


def _seconds(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def shown(runs: list[Run]) -> Table:
    """A line for each run."""
    table = Table(title="CPU in ms a call; waits in ms: median / p99")
    headings = ("", "calls/s", "calls", "at once", "Asterisk", "controller", "database", "÷ dialplan", "wrong or lost")
    for heading in (*headings, "key → commit", "key → confirmation (wire)"):
        table.add_column(heading, justify="right")
    plain = {
        rate: statistics.median(one.both for one in runs if one.rate == rate and one.contender == NAMES[PLAIN])
        for rate in {one.rate for one in runs}
    }
    for one in runs:
        figures = [f"{cpu:.1f}" for cpu in (one.asterisk, one.controller, one.database)]
        table.add_row(
            one.contender,
            f"{one.rate:g}",
            str(one.calls),
            str(one.at_once),
            *figures,
            f"{one.both / plain[one.rate]:.2f}",
            str(one.wrong),
            _median_and_p99(one.to_commit),
            _median_and_p99(one.to_confirmation),
        )
    return table


def _median_and_p99(values: list[float]) -> str:
    if len(values) < 2:
        return "–"
    return f"{statistics.median(values):.1f} / {statistics.quantiles(values, n=100, method='inclusive')[98]:.1f}"


def verdict(runs: list[Run]) -> str:
    """The ratio to the plain dialplan, for each rate."""
    ratios = []
    for rate in sorted({one.rate for one in runs}):
        medians = {
            name: statistics.median(one.both for one in runs if one.rate == rate and one.contender == name)
            for name in NAMES.values()
        }
        plain = medians[NAMES[PLAIN]]
        others = ", ".join(f"{name} {medians[name] / plain:.2f}" for name in NAMES.values() if name in PEERS)
        ratios.append(f"{medians[NAMES[OURS]] / plain:.2f} at {rate:g} calls/s (without a database: {others})")
    return f"All (Asterisk and controller) ÷ dialplan, medians: {', '.join(ratios)}. Goal: 1.50."


def main() -> None:
    asked = argparse.ArgumentParser(prog="make bench", description=__doc__)
    asked.add_argument("--rates", type=float, nargs="+", default=[5.0, 10.0, 15.0], help="new calls a second")
    asked.add_argument("--seconds", type=float, default=10.0, help="how long each run makes new calls")
    asked.add_argument("--repeats", type=int, default=3)
    given = asked.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 170)
    with tempfile.TemporaryDirectory(prefix="innringing-bench-") as folder, contextlib.ExitStack() as running:
        bench = Bench(Path(folder), running)
        for extension in NAMES:
            bench.run(extension, 5.0, 10)  # a warm-up
        runs = []
        for rate, _, extension in itertools.product(given.rates, range(given.repeats), NAMES):
            runs.append(bench.run(extension, rate, round(rate * given.seconds)))
            console.print(f"{NAMES[extension]} at {rate:g} calls/s: {runs[-1].both:.1f} ms a call")
    console.print(shown(runs))
    console.print(verdict(runs))


if __name__ == "__main__":
    main()
