"""Every mistake of tests/support on a running system: `python -m tests.bench.mistakes [PART]`.

Each is made in the operators' files; then `innringing reload` is asked for, and both departments are called. Prints a
row for each mistake, and the sums. Exit code 1 if a mistake was accepted, or if a call failed. PART: only mistakes
whose file has a name that starts so.
"""

import asyncio
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from desk.paths import ROOT
from tests.support.machine.mistaken import Row, Trial
from tests.support.machine.system import running_system
from tests.support.mistakes import ELSEWHERE, FOR_ASTERISK, IN_EXTENSIONS, IN_SIP
from tests.support.sly_mistakes import LIVE, SLY

CALLS_AT_ONCE = 3
OTHERS = [*(each for each in SLY if not each.reason), *LIVE]
"""Edits that are no mistakes, and those of departments.toml: each is in force during its call."""
ALL = [*IN_EXTENSIONS, *IN_SIP, *ELSEWHERE, *FOR_ASTERISK, *SLY]


async def measure(part: str) -> list[Row]:
    """Try each mistake."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="innringing-mistakes-") as made:
        folder = Path(made)
        live = Path(shutil.copytree(ROOT / "dialplan", folder / "live"))
        with running_system(folder, departments_file=live / "departments.toml") as system:
            trial = Trial(system, live, folder)
            for mistake in (each for each in ALL if each.file.startswith(part)):
                row = await trial.of(mistake)
                rows.append(row)
                print(
                    f"{len(rows):3} {row.check:9} {row.call:7} {str(mistake)[:56]!r:60} {row.reason[:90]}", flush=True
                )
    return rows


def main() -> None:
    rows = asyncio.run(measure(sys.argv[1] if len(sys.argv) > 1 else ""))
    for (file, check, call), count in sorted(Counter((r.mistake.file, r.check, r.call) for r in rows).items()):
        print(f"{file:20} {check:9} {call:7} {count:3}")
    accepted = [row for row in rows if row.mistake.reason and row.check == "accepted"]
    hurt = [row for row in rows if row.hurts]
    print(f"{len(rows)} edits: {len(accepted)} mistakes accepted, {len(hurt)} after which a call failed.")
    sys.exit(1 if accepted or hurt else 0)


if __name__ == "__main__":
    main()
