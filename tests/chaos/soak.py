"""`python -m tests.chaos.soak --calls 20000`: a day's calls, as fast as this machine can take them.

sipp calls without a pause. After every batch the memory and the open descriptors of both doors and of Asterisk are
noted, and each caller must have exactly one callback with the right number. Callers ring from 5,000 numbers; before a
number comes again, its callback is closed, as agents do.

Exit code 1 if a call was lost, doubled or wrong, or if memory or descriptors of a door grew steadily.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import psutil

from ops.machine import postgres, tree
from tests.chaos.many_at_once import people
from tests.chaos.stored import Stored, drained, read_stored
from tests.support.machine.servers import machine_settings
from tests.support.machine.system import System, run, running_system
from tests.support.machine.systems import create_database
from tests.support.phone import sipp

BATCH: Final = 500
"""Calls of a batch, by default."""
MOST_AT_ONCE: Final = 600
"""No caller is refused for their number: at 12 calls a second 330 are on the line."""
WARM: Final = 2
"""Batches that are not compared: caches and pools fill up."""
MORE_MEMORY: Final = 1.15
"""How much larger the memory of a door may be at the end than after the first batches."""
MORE_DESCRIPTORS: Final = 20


@dataclass(frozen=True)
class Sample:
    """Megabytes and open descriptors of one program after a batch."""

    megabytes: float
    descriptors: int


def sample(pid: int) -> Sample:
    """Read the memory and the descriptors of a process."""
    process = psutil.Process(pid)
    return Sample(process.memory_info().rss / 1e6, process.num_fds())


def fault_of(stored: Stored, phone: str, identity: str) -> str:
    """What is wrong with the callbacks of this caller. Empty if there is one, with the right number."""
    rows = stored.callbacks.get(phone, [])
    if len(rows) != 1 or rows[0].call_count != 1:
        return "doubled" if rows else "lost"
    return {identity: "", None: "without the number"}.get(rows[0].identity, "another number")


async def batch(system: System, url: str, folder: Path, first: int, *, size: int, rate: float) -> list[str]:
    """Let people call. Returns the numbers whose callback is not exactly one and right, and closes all."""
    callers = people(first % 5_000, size)
    rung = await sipp.ring(folder, system.settings.sip.port, "1000", callers, rate=rate, seconds=1200)
    await asyncio.sleep(1)
    await drained(system.settings.files.spool_folder)
    stored = await read_stored(system.settings, url, open_only=True)
    wrong = [f"{phone}: {fault}" for phone, identity in callers if (fault := fault_of(stored, phone, identity))]
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        changes = "status = 'closed', closed_reason = 'reached', closed_at = now()"
        await connection.execute(f"update inquiries set {changes} where status <> 'closed'")
    finally:
        await connection.close()
    return [*wrong, *[f"{rung.failed} failed"] * bool(rung.failed)]


Samples = dict[str, list[Sample]]


async def soak(
    system: System, url: str, folder: Path, *, calls: int, size: int, rate: float
) -> tuple[Samples, list[str]]:
    """Run batches, and sample the programs after each."""
    programs = {"phone door": system.ivr.pid, "web door": system.api.pid, "Asterisk": asterisk_pid(system)}
    samples: Samples = {name: [] for name in programs}
    wrong: list[str] = []
    begun = time.monotonic()
    for first in range(0, calls, size):
        wrong += await batch(system, url, folder, first, size=size, rate=rate)
        for name, pid in programs.items():
            samples[name].append(sample(pid))
        now = ", ".join(f"{name} {got[-1].megabytes:.1f} MB {got[-1].descriptors} fds" for name, got in samples.items())
        print(f"{first + size} calls, {time.monotonic() - begun:.0f} s: {now}; wrong {len(wrong)}", flush=True)
    return samples, wrong


def asterisk_pid(system: System) -> int:
    """Asterisk's process id, behind the tree's loader."""
    return int((system.folder / "asterisk" / "pid").read_text())


def growing(samples: Sequence[Sample]) -> list[str]:
    """What grew from the first compared batches to the last ones."""
    if len(samples) < 2 * WARM + 2:
        return []
    before, after = samples[WARM : WARM + 2], samples[-2:]
    found = []
    if min(s.megabytes for s in after) > MORE_MEMORY * max(s.megabytes for s in before):
        found.append(f"memory from {before[0].megabytes:.0f} to {after[-1].megabytes:.0f} MB")
    if min(s.descriptors for s in after) > MORE_DESCRIPTORS + max(s.descriptors for s in before):
        found.append(f"descriptors from {before[0].descriptors} to {after[-1].descriptors}")
    return found


def main() -> None:
    asked = argparse.ArgumentParser(prog="soak", description=__doc__)
    asked.add_argument("--calls", type=int, default=20_000)
    asked.add_argument("--rate", type=float, default=8.0, help="new calls a second")
    asked.add_argument("--batch", type=int, default=BATCH, help="calls between two samples")
    given = asked.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything started here is stopped
    with tempfile.TemporaryDirectory(prefix="innringing-chaos-") as name, postgres.start(durable=True) as server:
        folder = Path(name)
        url = asyncio.run(create_database(server))
        settings = {"database_url": url, "rtp_ports": "10000-12999", "calls_at_once": str(MOST_AT_ONCE)}
        run(machine_settings(folder, **settings), "migrate")
        run(machine_settings(folder), "prompts", "build", "--tools", str(tree.ensure(tree.ASTERISK) / "bin"))
        with running_system(folder, **settings) as system:
            samples, wrong = asyncio.run(
                soak(system, url, folder, calls=given.calls, size=given.batch, rate=given.rate)
            )
    grew = {name: found for name, got in samples.items() if name != "Asterisk" and (found := growing(got))}
    kinds = Counter(each.rpartition(": ")[2] for each in wrong)
    print(f"lost, doubled or wrong: {len(wrong)} {dict(kinds) or ''} {wrong[:10] or ''}; grew: {grew or 'nothing'}")
    print(f"load {os.getloadavg()[0]:.1f}")
    sys.exit(1 if wrong or grew else 0)


if __name__ == "__main__":
    main()
