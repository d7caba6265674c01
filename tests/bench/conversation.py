"""The real conversation, from the welcome to the hang-up, compared with a dialplan that plays the same prompts.

A rehearsal says which prompts a caller hears now who listens to the opening, keys an identity number and presses
nothing more. The twin in the dialplan reads the digits while it plays the opening, plays the receipt, and waits as long
for another key; it stores nothing. `sipp` makes the calls to both, on a whole running system with PostgreSQL. CPU is
that of Asterisk, the phone door and PostgreSQL, from before a run's first call until after its last, so it includes
what the processes do when nothing happens.
"""

import asyncio
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

from desk.clock import OSLO
from desk.paths import ROOT
from ivr.dialogue.context import OFFER
from ivr.rehearsal import people
from ivr.rehearsal.stage import open_stage
from ivr.rehearsal.story import Story
from ivr.rehearsal.virtual_time import VirtualTimeLoop
from ops.machine import postgres, tree
from ops.machine.postgres import Postgres
from tests.bench.fingers import keys
from tests.bench.processes import processor
from tests.chaos import many_at_once
from tests.chaos.stored import read_stored
from tests.support.machine.servers import machine_settings
from tests.support.machine.system import System, run
from tests.support.machine.systems import create_database
from tests.support.phone import sipp

TWIN, OURS = "9003", "1000"
NAMES = {TWIN: "dialplan", OURS: "ours"}
PERSON = 3_900
IDLE_SECONDS = 10.0


@dataclass(frozen=True)
class Run:
    """One contender: milliseconds of CPU a call, and the calls that were lost or stored wrongly."""

    contender: str
    calls: int
    asterisk: float
    door: float
    database: float
    wrong: int

    @property
    def both(self) -> float:
        return self.asterisk + self.door


@dataclass(frozen=True)
class Program:
    """A program that serves no one: percent of a core, and resident megabytes."""

    name: str
    percent: float
    megabytes: float


def rehearsed(at: datetime) -> Story:
    """The conversation at that time, in virtual time. Call it outside any event loop."""

    async def ring() -> Story:
        files = {"departments_file": ROOT / "dialplan" / "departments.toml", "prompts_dir": ROOT / "prompts"}
        async with open_stage(**files, at=at) as stage:
            department = stage.departments().get("kirurgi")
            return await stage.ring(department, keys(people.identity(PERSON)), person=PERSON)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(ring())


@dataclass(frozen=True)
class Script:
    """The prompts of the opening, and those after the digits but the last, which is a question. `first`: of the keys,
    in seconds from the answer."""

    opening: Sequence[str]
    receipt: Sequence[str]
    offer: str
    first: float

    @classmethod
    def of(cls, story: Story) -> "Script":
        begun = min(event.second for event in story.events if event.kind == "says")
        first = min(event.second for event in story.events if event.kind == "keys")
        said = [(event.second, event.what) for event in story.events if event.kind == "says"]
        after = [what for second, what in said if second >= first]
        return cls([what for second, what in said if second < first], after[:-1], after[-1], first - begun)

    def dialplan(self) -> str:
        def files(prompts: Sequence[str]) -> str:
            return "&".join(f"innringing/{prompt}" for prompt in prompts)

        return f"""
[departments](+)
exten => {TWIN},1,Set(CHANNEL(language)=nb)
 same => n,Answer()
 same => n,Read(KEYED,{files(self.opening)},11,,1,{OFFER.first:.0f})
 same => n,GotoIf($["${{KEYED}}" = "${{CALLERID(name)}}"]?right)
 same => n,Set(GLOBAL(WRONG)=$[0${{GLOBAL(WRONG)}} + 1])
 same => n(right),Playback({files(self.receipt)})
 same => n,Read(MORE,{files([self.offer])},1,,1,{OFFER.first:.0f})
 same => n,Hangup()
"""


class Bench:
    """The whole system, with the twin beside the operators' own dialplan."""

    def __init__(self, system: System, server: Postgres, url: str, script: Script) -> None:
        self.system, self._server, self._url, self._script = system, server, url, script
        self._rung = 0

    def run(self, extension: str, *, calls: int, rate: float) -> Run:
        callers = many_at_once.people(self._rung, calls)
        self._rung += calls
        before, wrong = self._cpu(), self._twin_wrong()
        folder = self.system.folder / f"sipp-{self._rung}"
        ring = sipp.ring(
            folder,
            self.system.settings.sip.port,
            extension,
            callers,
            rate=rate,
            before_keys=self._script.first,
            named=True,
        )
        rung = asyncio.run(ring)
        asterisk, door, database = (1000 * (now - then) / calls for now, then in zip(self._cpu(), before, strict=True))
        lost = rung.failed + (self._stored_wrong(callers) if extension == OURS else self._twin_wrong() - wrong)
        return Run(NAMES[extension], calls, asterisk, door, database, lost)

    def idle(self) -> list[Program]:
        """Measure the programs while nothing happens."""
        programs = {
            "phone door": psutil.Process(self.system.ivr.pid),
            "web door": psutil.Process(self.system.api.pid),
            "Asterisk": psutil.Process(self.system.asterisk.pid),
        }
        before = {name: _seconds(program) for name, program in programs.items()}
        time.sleep(IDLE_SECONDS)
        return [
            Program(
                name,
                100 * (_seconds(program) - before[name]) / IDLE_SECONDS,
                program.memory_info().rss / 1e6,
            )
            for name, program in programs.items()
        ]

    def _cpu(self) -> tuple[float, float, float]:
        asterisk, door = psutil.Process(self.system.asterisk.pid), psutil.Process(self.system.ivr.pid)
        return _seconds(asterisk), _seconds(door), processor(self._server)

    def _twin_wrong(self) -> int:
        lines = self.system.asterisk.console("dialplan show globals").splitlines()
        return next((int(line.partition("=")[2]) for line in lines if line.strip().startswith("WRONG=")), 0)

    def _stored_wrong(self, callers: Sequence[tuple[str, str]]) -> int:
        stored = asyncio.run(read_stored(self.system.settings, self._url))
        return sum(bool(many_at_once.fault_of(phone, identity, stored)) for phone, identity in callers)


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextlib.contextmanager
def opened(**given: object) -> Iterator[tuple[Bench, str]]:
    """A running system with its own PostgreSQL. Yields the database's address too. `given` are settings."""
    with (
        tempfile.TemporaryDirectory(prefix="innringing-bench-") as name,
        postgres.start(durable=True) as server,
    ):
        folder = Path(name)
        url = asyncio.run(create_database(server))
        settings = {"database_url": url, "rtp_ports": "10000-12999", **given}
        tools = str(tree.ensure(tree.ASTERISK) / "bin")
        for command in (("migrate",), ("prompts", "build", "--tools", tools)):
            done = run(machine_settings(folder, **settings), *command, seconds=300)
            assert done.returncode == 0, done.stderr
        script = Script.of(rehearsed(datetime.now(OSLO)))
        with System(machine_settings(folder, **settings), extra={"extensions.conf": script.dialplan()}) as system:
            yield Bench(system, server, url, script), url


def ratio(runs: Sequence[Run]) -> float:
    """Ours divided by the dialplan, both medians, without the database."""
    ours, twin = (statistics.median(one.both for one in runs if one.contender == NAMES[each]) for each in (OURS, TWIN))
    return ours / twin


def main() -> None:
    print(f"Load: {os.getloadavg()[0]:.1f}")
    with opened() as (bench, _):
        print(*bench.idle(), sep="\n")
        runs = []
        for _turn in range(3):
            for extension in (TWIN, OURS):
                runs.append(bench.run(extension, calls=45, rate=3.0))
                print(runs[-1], flush=True)
        print(*bench.idle(), sep="\n")
    print(f"Ours ÷ dialplan: {ratio(runs):.2f}. Goal: 1.4.")


if __name__ == "__main__":
    main()
