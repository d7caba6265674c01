"""The seat of this controller: its folder on this machine, held by one living process at a time.

A process that dies keeps its lease for some seconds. Its successor in the same seat knows that it is dead, because the
kernel has released the lock, and needs not wait. A controller that stands by in the same folder tries for the seat
again and again, so that it knows at once when the one that serves has died.
"""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path
from secrets import token_hex
from typing import Final

NAME_BYTES: Final = 8
FILE: Final = "controller.seat"


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
            if re.fullmatch(r"[0-9a-f]{16}", known, re.ASCII):
                self.name = known
            else:
                os.pwrite(self._descriptor, self.name.encode(), 0)
        except OSError:
            self.leave()
            return False
        return True

    def leave(self) -> None:
        """Leave the seat to another process."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
