"""A lock on the var folder: two services in one folder would end each other's Asterisk, with all its calls."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

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


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int | None]:
    """Hold the lock of a file inside the block. Gives its descriptor, or None where another process holds it.

    The kernel frees the lock when the process ends, however it ends. Child processes do not inherit it.
    """
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield lock
    finally:
        os.close(lock)
