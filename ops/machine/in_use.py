"""A lock on the var folder: two services in one folder would end each other's Asterisk, with all its calls."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from desk.files.file_lock import locked

LOCK = "in-use"
"""The file's name in the var folder. It holds the process id of the service, or of the last one that ran here."""


class AlreadyRunning(Exception):
    """The service runs in this folder already. The message is one line."""


@contextlib.contextmanager
def only_one_in(var: Path) -> Iterator[None]:
    """Hold the lock of the folder inside the block. Raises AlreadyRunning, and then nothing was touched."""
    var.mkdir(parents=True, exist_ok=True)
    with locked(var / LOCK) as lock:
        if lock is None:
            pid = (var / LOCK).read_text("ascii", "replace").strip() or "unknown"
            raise AlreadyRunning(f"already running in {var} (pid {pid}); nothing was touched")
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode("ascii"), 0)
        yield
