"""An agent's whole Monday in a real Chromium with real calls: `python -m tests.bench.monday_in_browser`.

Fifty people ring each of two departments in the weekend (sipp). On Monday one secretary works with the mouse alone, the
other with the keyboard alone: sort the backlog by topic and urgency, then claim, ring by click to call, record the
outcome, copy the ready note, until the queue is empty. Patients answer, are busy, do not answer, have a machine or
another's number. At the end the database is compared with the phones; exit code 1 if they differ, if the browser
reported an error, if the focus was ever out of sight, or if a hand was used that the secretary does not have.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from ops.machine import tree
from tests.support.machine.servers import machine_settings
from tests.support.machine.system import run
from tests.support.web.browser import chromium
from tests.support.web.monday import play
from tests.support.web.monday_story import Monday

RTP_PORTS: Final = "10000-12999"
"""More than the callers of a wave need: RTP and RTCP of each call, until it is forgotten."""
CALLS_AT_ONCE: Final = 600
"""No caller is refused because of the others."""


async def whole(folder: Path, people: int) -> Monday:
    """Play it in that folder."""
    async with chromium() as browser:
        return await play(folder, browser, people, rtp_ports=RTP_PORTS, calls_at_once=CALLS_AT_ONCE)


def table(monday: Monday) -> str:
    """What each pair of hands did, as a table of docs/benchmarks.md."""
    rows = [
        f"| {worked.desk.hands} | {len(worked.people)} | {len(worked.diary)} | {worked.seconds / 60:.1f} "
        f"| {worked.sorting / len(worked.people):.1f} | {worked.calling / len(worked.diary):.1f} | {worked.letters} "
        f"| {', '.join(f'{n} {reply.value}' for reply, n in worked.outcomes.most_common())} |"
        for worked in monday.worked
    ]
    return "\n".join(
        [
            "| hands | callbacks | calls to patients | minutes | keys or clicks to sort one | to call one | letters "
            "| outcomes |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
        ]
    )


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.bench.monday_in_browser", description=__doc__)
    asked.add_argument("--people", type=int, default=50, help="in each department")
    given = asked.parse_args()
    print(f"Load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(prefix="innringing-bench-") as folder:
        tools = str(tree.ensure(tree.ASTERISK) / "bin")
        built = run(machine_settings(Path(folder) / "prompts"), "prompts", "build", "--tools", tools, seconds=300)
        assert built.returncode == 0, built.stderr
        monday = asyncio.run(whole(Path(folder) / "var", given.people))
    print(table(monday))
    print("parts: " + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in monday.seconds.items()))
    used = {each.desk.hands: each.used for each in monday.worked}
    mixed = [f"hands used: {used}"] * (used != {hands: {hands} for hands in used})
    print(f"wrong states: {len(monday.wrong)}; faults in the browser: {len(monday.faults) + len(mixed)}")
    print(*monday.wrong, *monday.faults, *mixed, sep="\n")
    print(f"Load after: {os.getloadavg()[0]:.1f}")
    sys.exit(1 if monday.wrong or monday.faults or mixed else 0)


if __name__ == "__main__":
    main()
