"""The seat of this controller: its folder on this machine, held by one living process at a time.

A process that dies keeps its lease for some seconds. Its successor in the same seat knows that it is dead, because the
kernel has released the lock, and needs not wait. A controller that stands by in the same folder tries for the seat
again and again, so that it knows at once when the one that serves has died.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import time
from contextlib import suppress
from enum import Enum
from pathlib import Path
from secrets import token_hex
from typing import Final, NoReturn

NAME_BYTES: Final = 8
FILE: Final = "controller.seat"
BEATS_EVERY: Final = 0.5  # seconds
ENDED: Final = b" ended"


class Occupancy(Enum):
    """The holder of a folder's seat: a living process, one that died, or no one."""

    HELD = "held"
    DIED = "died"
    NO_ONE = "no one"


def occupancy(folder: Path) -> Occupancy:
    """Ask who has the seat of this folder, without taking it."""
    try:
        descriptor = os.open(folder / FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return Occupancy.NO_ONE
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        content = os.read(descriptor, 64)
    except BlockingIOError:
        return Occupancy.HELD
    finally:
        os.close(descriptor)
    return Occupancy.NO_ONE if not content or content.endswith(ENDED) else Occupancy.DIED


def last_beat(folder: Path) -> int | None:
    """Return the moment of the last sign of life in this folder's seat, to compare. None after an orderly end."""
    try:
        with open(folder / FILE, "rb") as file:
            content, status = file.read(64), os.fstat(file.fileno())
    except OSError:
        return None
    return None if not content or content.endswith(ENDED) else status.st_mtime_ns


class Seat:
    """A name for controllers that start in this folder, one after the other."""

    def __init__(self, folder: Path) -> None:
        """Hold the folder's seat while this process lives. Where it is taken, or can't be, use another name."""
        self.name = token_hex(NAME_BYTES)
        self._file = folder / FILE
        self._descriptor: int | None = None
        self.take()

    def take(self) -> bool:
        """Take the folder's seat, and the name of those who held it. False while another process holds it."""
        if self._descriptor is not None:
            return True
        try:
            self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            known = os.read(self._descriptor, 2 * NAME_BYTES).decode("ascii", "replace")
            os.ftruncate(self._descriptor, 2 * NAME_BYTES if known else 0)
            if re.fullmatch(r"[0-9a-f]{16}", known, re.ASCII):
                self.name = known
            else:
                os.pwrite(self._descriptor, self.name.encode(), 0)
        except OSError:
            self.leave()
            return False
        return True

    def beat(self) -> None:
        """Give a sign of life, for the standby. Does nothing without the seat."""
        if self._descriptor is not None:
            with suppress(OSError):
                moment = time.time_ns()
                os.utime(self._descriptor, ns=(moment, moment))

    async def serve(self) -> NoReturn:
        """Give a sign of life twice a second, from the event loop: a loop that hangs gives none."""
        while True:
            self.beat()
            await asyncio.sleep(BEATS_EVERY)

    def end(self) -> None:
        """Note that this process ends in order: it sees to its callers itself."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.pwrite(self._descriptor, ENDED, 2 * NAME_BYTES)

    def leave(self) -> None:
        """Leave the seat to another process."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
