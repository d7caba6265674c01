"""`innringing` at another time: `python -m tests.support.machine.other_time <command>` is the command with that clock.

How far ahead the clock is stands in a file of its folder, so a test moves a running system to another day.
"""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from unittest.mock import patch

from desk.clock import SystemClock
from innringing import app

FILE: Final = "clock-ahead"
AT_OTHER_TIME: Final = (sys.executable, "-m", "tests.support.machine.other_time")
"""The command in place of `innringing`."""


class MovedClock:
    """The clock of the systems that read that file. It runs as fast as the machine's own."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(self._file.read_text("ascii")))

    def set(self, moment: datetime) -> None:
        """Let it be that moment now, for all of them at once."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        beside = self._file.with_suffix(".new")
        beside.write_text(str((moment - datetime.now(UTC)).total_seconds()), "ascii")
        beside.replace(self._file)


if __name__ == "__main__":
    moved = MovedClock(Path(os.environ["INNRINGING_VAR_DIR"]))
    with patch.object(SystemClock, "now", lambda _: moved.now()):
        app()
