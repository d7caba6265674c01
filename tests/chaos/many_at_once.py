"""`python -m tests.chaos.many_at_once`: 330 real conversations at once, for minutes, on one machine.

sipp holds the line full: each caller listens to the whole opening, keys an identity number, and waits until the system
hangs up. Between them test callers measure, on the wire, the time from the last key to the first packet of the receipt;
the same callers call an idle system first. At the end every caller must have exactly one callback with the right
number. PostgreSQL syncs every commit.

Exit code 1 if a call was lost, doubled or wrong, or if the receipt's p99 is more than 300 ms above its normal time.
"""

import argparse
import asyncio
import contextlib
import math
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import psutil

from ops.machine import postgres, tree
from tests.chaos.stored import Stored, drained, read_stored
from tests.support.machine.servers import machine_settings
from tests.support.machine.system import System, run, running_system
from tests.support.machine.systems import create_database
from tests.support.phone import sipp
from tests.support.phone.callers import Caller, ringing
from tests.support.synthetic import synthetic_identity

LISTENS = 14.0
"""Seconds until the first key: the opening, to its end."""
SLACK = 0.3
"""Seconds that the receipt's p99 may be above its normal time."""
NORMAL_CALLS = 20
PROBE_EVERY = 2.0
PATIENCE = 60.0


@dataclass(frozen=True)
class Probe:
    """One test caller's call, in seconds: from the last key to the receipt, and from the answer to the end.

    Without a receipt the first is infinite. `heard`: the sentences, in order.
    """

    phone: str
    receipt: float
    length: float
    heard: tuple[str, ...]


@dataclass(frozen=True)
class Rung:
    """A test caller's finished call, not listened to yet: to recognise its sound takes a processor from the others."""

    phone: str
    caller: Caller
    last_key: float
    length: float

    async def listened(self) -> Probe:
        """Recognise what was heard."""
        sentences = await self.caller.sentences()
        received = next((heard for heard in sentences if heard.key == "received"), None)
        took = self.caller.instant(received) - self.last_key if received else math.inf
        return Probe(self.phone, took, self.length, tuple(heard.key for heard in sentences))


async def ring(system: System, caller: tuple[str, str], after: float) -> Rung:
    """Call once, `after` seconds from now."""
    await asyncio.sleep(after)
    phone, identity = caller
    async with ringing(system.settings, "1000", phone) as called:
        begun = time.monotonic()
        await asyncio.sleep(LISTENS)
        await called.keys(identity)
        last = called.call.stream.last_key_at or 0.0
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(called.call.ended.wait(), PATIENCE)
        return Rung(phone, called, last, time.monotonic() - begun)


async def rings(system: System, callers: Sequence[tuple[str, str]], every: float) -> list[Rung]:
    """Let these call, one every `every` seconds."""
    return list(await asyncio.gather(*(ring(system, each, n * every) for n, each in enumerate(callers))))


def people(first: int, count: int) -> list[tuple[str, str]]:
    """Numbers to call from, with an identity number each. The first ten are left out: two are the hospital's own."""
    return [(f"+47{68_050_010 + n}", synthetic_identity(3_000_000 + n)) for n in range(first, first + count)]


@dataclass(frozen=True)
class Report:
    """What one run showed."""

    rung: sipp.Outcome
    normal: list[Probe]
    loaded: list[Probe]
    wrong: list[str]
    load: tuple[float, float, float]
    busy: float
    in_spool: int
    """How many callbacks still waited in the spool when the last caller had hung up."""

    @property
    def passed(self) -> bool:
        """Whether every call was stored once and right, and the receipt came in time."""
        late = percentile(self.loaded, 99) - percentile(self.normal, 50)
        return not self.wrong and not self.rung.failed and late <= SLACK

    def lines(self) -> list[str]:
        normal, loaded = self.normal, self.loaded
        with_receipt = [each for each in loaded if each.receipt < math.inf]
        return [
            f"calls {self.rung.successful + self.rung.failed + len(normal) + len(loaded)}, most at once "
            f"{self.rung.most_at_once} and {len(loaded)} test callers among them; failed {self.rung.failed}",
            f"lost, doubled or wrong: {len(self.wrong)}; in the spool at the end {self.in_spool}",
            *self.wrong[:10],
            f"last key to receipt, idle: p50 {percentile(normal, 50):.3f} s, longest {percentile(normal, 100):.3f} s",
            f"last key to receipt, full line: p50 {percentile(loaded, 50):.3f} s, p99 {percentile(loaded, 99):.3f} s, "
            f"longest {percentile(loaded, 100):.3f} s ({len(loaded)} measured)",
            *(
                f"no receipt recognised: {', '.join(each.heard)}; {each.length:.0f} s"
                for each in loaded
                if each not in with_receipt
            ),
            f"of the others p99 {percentile(with_receipt, 99):.3f} s",
            f"processors busy {self.busy:.0f} % of {os.cpu_count()}, load {self.load[0]:.1f}",
        ]


def percentile(found: Sequence[Probe], percent: int) -> float:
    times = sorted(each.receipt for each in found)
    if percent == 100:
        return times[-1]
    return statistics.quantiles(times, n=100, method="inclusive")[percent - 1]


def keep_unheard(rung: Sequence[Rung], probes: Sequence[Probe], to: Path | None) -> None:
    """Save the sound of those in whose call no receipt was recognised: was it silent, or is our ear at fault?"""
    for each, probe in zip(rung, probes, strict=True):
        if to is not None and probe.receipt == math.inf:
            each.caller.call.heard.save(to / f"{probe.phone.removeprefix('+')}.wav")


async def full_line(
    system: System, url: str, folder: Path, *, at_once: int, minutes: float, sound: Path | None = None
) -> Report:
    """Measure the idle system, then fill the line and measure again."""
    idle = people(9_000, NORMAL_CALLS)
    normal = [await each.listened() for each in await rings(system, idle, every=1.5)]
    length = statistics.mean(each.length for each in normal)
    rate = at_once / length
    callers = people(0, round(rate * (minutes * 60 + length)))
    tested = people(9_100, round(minutes * 60 / PROBE_EVERY))
    seconds = round(len(callers) / rate + 120)
    psutil.cpu_percent()
    line = asyncio.create_task(
        sipp.ring(folder, system.settings.sip.port, "1000", callers, rate=rate, before_keys=LISTENS, seconds=seconds)
    )
    await asyncio.sleep(length)  # until the line is full
    measured = await rings(system, tested, PROBE_EVERY)
    load, busy = os.getloadavg(), psutil.cpu_percent()
    rung = await line
    await asyncio.sleep(2)
    waited = await drained(system.settings.files.spool_folder)
    loaded = [await each.listened() for each in measured]
    keep_unheard(measured, loaded, sound)
    stored = await read_stored(system.settings, url)
    heard = {each.phone: each.heard for each in (*normal, *loaded)}
    faults = (fault_of(phone, identity, stored, heard.get(phone)) for phone, identity in (*idle, *callers, *tested))
    return Report(rung, normal, loaded, [fault for fault in faults if fault], load, busy, waited)


def fault_of(phone: str, identity: str, stored: Stored, heard: Sequence[str] | None = None) -> str:
    """Say what is wrong with what a caller left, without a digit that was keyed. Empty if nothing is.

    sipp keys once and listens to nothing. So where a busy machine reports more than three of its keys twice, the
    product asks again in vain and stores a callback without an identity number, tens of seconds later than others (see
    docs/decisions/0033). Two rows, a second count, or another number that passes its check digits are no such thing.
    """
    rows, calls = stored.callbacks.get(phone, []), stored.calls.get(phone, [])
    if [(each.identity, each.call_count) for each in rows] == [(identity, 1)]:
        return ""
    begun = next((each.at for each in calls if each.at), None)
    said = [f"{phone}: {len(rows)} rows"]
    for row in rows:
        after = f"{(row.made - begun).total_seconds():.1f} s after the call came" if row.made and begun else ""
        said.append(" ".join([_identity(row.identity, identity), f"counted {row.call_count}", after]).strip())
        said += ["in doubt"] if row.doubtful else []
    said += [f"call {each.why or 'complete'} at {each.step}" for each in calls if each.incomplete or len(calls) > 1]
    said += [f"heard {' '.join(heard)}"] if heard else []
    return "; ".join(said)


def _identity(stored: str | None, keyed: str) -> str:
    if stored is None:
        return "without an identity number"
    pairs = zip_longest(stored, keyed)
    places = [str(n) for n, (one, other) in enumerate(pairs, 1) if one != other]
    return f"another identity number, at {', '.join(places)} of {len(keyed)}" if places else "the right identity number"


def main() -> None:
    asked = argparse.ArgumentParser(prog="many_at_once", description=__doc__)
    asked.add_argument("--calls", type=int, default=330, help="conversations at once")
    asked.add_argument("--minutes", type=float, default=5.0, help="how long the line stays full")
    asked.add_argument("--sound", type=Path, help="where to save the calls without a recognised receipt")
    given = asked.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything started here is stopped
    with tempfile.TemporaryDirectory(prefix="innringing-chaos-") as name, postgres.start(durable=True) as server:
        folder = Path(name)
        url = asyncio.run(create_database(server))
        settings = {
            "database_url": url,
            "rtp_ports": "10000-12999",
            "calls_at_once": str(2 * given.calls + NORMAL_CALLS),
        }
        run(machine_settings(folder, **settings), "migrate")
        run(machine_settings(folder), "prompts", "build", "--tools", str(tree.ensure(tree.ASTERISK) / "bin"))
        with running_system(folder, **settings) as system:
            line = full_line(system, url, folder, at_once=given.calls, minutes=given.minutes, sound=given.sound)
            report = asyncio.run(line)
    print("\n".join(report.lines()))
    sys.exit(0 if report.passed else 1)


if __name__ == "__main__":
    main()
