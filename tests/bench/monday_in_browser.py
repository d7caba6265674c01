"""An agent's whole Monday in a real Chromium with real calls: `python -m tests.bench.monday_in_browser`.

Fifty people ring each of two departments in the weekend (sipp). On Monday one secretary works with the mouse alone, the
other with the keyboard alone: sort the backlog by topic and urgency, then claim, ring by click to call, record the
outcome, copy the ready note, until the queue is empty. Patients answer, are busy, do not answer, have a machine or
another's number. At the end the database is compared with the phones; exit code 1 if they differ, if the browser
reported an error, or if the focus was ever out of sight.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from ops.machine import tree
from tests.support.machine.servers import machine_settings
from tests.support.machine.system import run
from tests.support.web.browser import chromium
from tests.support.web.monday import Monday, play


async def whole(folder: Path, people: int) -> Monday:
    """Play it in that folder."""
    async with chromium() as browser:
        return await play(folder, browser, people)


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
    for desk, every, diary in monday.worked:
        print(f"{desk.hands}: {len(every)} callbacks, {len(diary)} dials, all as at the phones")
    print(", ".join(f"{name} {seconds:.0f} s" for name, seconds in monday.seconds.items()))
    print(
        f"keys pressed: {monday.pressed}; hands used: {monday.used}; faults: {len(monday.faults)}",
        *monday.faults,
        sep="\n  ",
    )
    print(f"Load after: {os.getloadavg()[0]:.1f}")
    sys.exit(0 if not monday.faults else 1)


if __name__ == "__main__":
    main()
