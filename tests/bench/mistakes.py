"""Every mistake of tests/support on a running system: `python -m tests.bench.mistakes [PART [EVERY]]`.

Each is made in the operators' files; then `innringing reload` is asked for (or the texts are built), and both
departments are called. Prints a row for each mistake, and the sums. Exit code 1 if a mistake was accepted, or if a call
failed. PART: only mistakes whose file has a name that starts so. EVERY: of what a reload refused, which must leave
Asterisk as it is (its files and its own answers are compared), only every EVERYth is followed by calls.
"""

import asyncio
import shutil
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from desk.paths import ROOT
from tests.support.machine.mistaken import Row, Trial
from tests.support.machine.system import running_system
from tests.support.mistakes import ELSEWHERE, FOR_ASTERISK, IN_EXTENSIONS, IN_SIP
from tests.support.sly_mistakes import LIVE, SLY
from tests.support.text_mistakes import IN_TEXTS

ALL = [*LIVE, *IN_TEXTS, *IN_EXTENSIONS, *IN_SIP, *ELSEWHERE, *FOR_ASTERISK, *SLY]


async def measure(part: str, every: int) -> list[Row]:
    """Try each mistake."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="innringing-mistakes-") as made:
        folder = Path(made)
        live = Path(shutil.copytree(ROOT / "dialplan", folder / "live"))
        prompts = Path(shutil.copytree(ROOT / "prompts", folder / "prompts"))
        files: dict[str, Any] = {"departments_file": live / "departments.toml", "access_file": live / "access.toml"}
        with running_system(folder, **files, prompts_dir=prompts) as system, ExitStack() as started:
            started.callback(system.start_standby().stop)
            trial = Trial(system, live, folder)
            for mistake in (each for each in ALL if each.file.startswith(part)):
                row = await trial.of(mistake, calls=len(rows) % every == 0)
                rows.append(row)
                print(
                    f"{len(rows):3} {row.check:9} {row.call:7} {str(mistake)[:56]!r:60} {row.reason[:90]}", flush=True
                )
    return rows


def main() -> None:
    part, every = [*sys.argv[1:], *("", "1")[len(sys.argv) - 1 :]][:2]
    rows = asyncio.run(measure(part, int(every)))
    for (file, check, call), count in sorted(Counter((r.mistake.file, r.check, r.call) for r in rows).items()):
        print(f"{file:20} {check:9} {call:7} {count:3}")
    accepted = [row for row in rows if row.mistake.reason and row.check == "accepted"]
    hurt = [row for row in rows if row.hurts]
    print(f"{len(rows)} edits: {len(accepted)} mistakes accepted, {len(hurt)} after which a call failed.")
    sys.exit(1 if accepted or hurt else 0)


if __name__ == "__main__":
    main()
