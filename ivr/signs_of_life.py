"""Signs of life: a phone door that hangs ends itself, and reports to its supervisor each second that it lives.

The supervisor is systemd (`WatchdogSec=`) or `innringing run`: both pass the address of a socket in NOTIFY_SOCKET. In a
container it is the health check, which reads when the file named in ALIVE_FILE was last written. A thread of the
interpreter, which needs neither the event loop nor the global lock, ends the process when the loop has not run for ten
seconds. Its callers are found by the next process.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

EVERY: Final = 1.0  # seconds
HUNG_AFTER: Final = 10.0  # seconds


async def serve_signs_of_life() -> NoReturn:
    """Give a sign of life each second. Ends the process, with the place where it hangs, if the event loop stops."""
    _notify(b"READY=1")
    try:
        while True:
            faulthandler.dump_traceback_later(HUNG_AFTER, exit=True)
            _notify(b"WATCHDOG=1")
            _touch()
            await asyncio.sleep(EVERY)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _notify(state: bytes) -> None:
    """Send a state as sd_notify does. Does nothing without a supervisor."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as out:
        out.sendto(state, "\0" + address[1:] if address.startswith("@") else address)


def _touch() -> None:
    """Write the file that a health check reads. Does nothing without one, and a full disk does not end the calls."""
    if path := os.environ.get("ALIVE_FILE", ""):
        with suppress(OSError):
            Path(path).touch()
