"""Loaded by our programs under faults, before anything else: a clock that jumps, and a signal that hangs the process.

CHAOS_CLOCK names a file with the seconds that `desk.clock.SystemClock` is ahead. SIGUSR2 holds the main thread for a
minute, as an endless loop in it would.
"""

import os
import signal
import time
from datetime import datetime, timedelta
from pathlib import Path

HANGS = 60.0


def hang(_signal: int, _frame: object) -> None:
    time.sleep(HANGS)


def jump(file: Path) -> None:
    """Let the product's clock be ahead by the seconds in `file`."""
    import desk.clock

    true_time = desk.clock.SystemClock.now

    def now(clock: desk.clock.SystemClock) -> datetime:
        try:
            ahead = float(file.read_text("ascii"))
        except (OSError, ValueError):
            ahead = 0.0
        return true_time(clock) + timedelta(seconds=ahead)

    desk.clock.SystemClock.now = now  # type: ignore[method-assign, assignment]


if "CHAOS_CLOCK" in os.environ:
    signal.signal(signal.SIGUSR2, hang)
    jump(Path(os.environ["CHAOS_CLOCK"]))
