"""The api, which says at SIGUSR1 how many objects its garbage collections leave out.

`python -m tests.support.web.counting_api FILE`, with the usual settings.
"""

import gc
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from ops.commands import api as command


def count(_signal: int, _frame: FrameType | None) -> None:
    """Write the number, whole or not at all."""
    file = Path(sys.argv[1])
    made = file.with_suffix(".new")
    made.write_text(str(gc.get_freeze_count()))
    os.replace(made, file)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, count)
    command.api()
