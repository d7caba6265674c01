"""The supervisor's end of a child's signs of life, as systemd's watchdog: datagrams to the socket in NOTIFY_SOCKET."""

from __future__ import annotations

import secrets
import socket
import time
from contextlib import suppress
from typing import Final

SILENT_AFTER: Final = 10.0  # seconds


class SignsOfLife:
    """Receives a child's signs of life. A child that never gave one is not watched."""

    def __init__(self) -> None:
        name = f"innringing-{secrets.token_hex(8)}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind("\0" + name)  # in the abstract name space: no file is left behind
        self.address = "@" + name
        self._last: float | None = None

    def begin(self) -> None:
        """Forget the signs of an earlier child."""
        self._read()
        self._last = None

    def silent(self) -> bool:
        """Whether a child that gave signs of life has stopped."""
        if self._read():
            self._last = time.monotonic()
        return self._last is not None and time.monotonic() - self._last > SILENT_AFTER

    def close(self) -> None:
        self._socket.close()

    def _read(self) -> bool:
        found = False
        with suppress(BlockingIOError):
            while self._socket.recv(64):
                found = True
        return found
