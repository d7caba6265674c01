"""What a process writes on stdout and stderr past its log, scrubbed line by line before it leaves.

`print`, a library's handler with the stream it found at import, C code, a child that inherits the descriptor: all end
at descriptors 1 and 2. There each finds a pipe; a thread takes whole lines from it, scrubs them and writes them where
they were going. The log itself doesn't go that way: its lines are scrubbed already, and kill -9 must lose none.
"""

import atexit
import faulthandler
import os
import resource
import selectors
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

from desk.logging.log import configure_logging, scrubber, tell_uncaught
from desk.settings.settings import Settings

STDOUT, STDERR = 1, 2
CHUNK = 65_536
LONGEST_LINE = 65_536
OVERLAP = 256
"""A longer line is cut, and so much of its end is kept for the next piece: no number is cut in two."""
SECONDS_TO_END = 2.0


def guard_output(settings: Settings) -> None:
    """For a service, once: the log goes to stderr, and all else written there or on stdout is scrubbed as well.

    A process that crashes leaves no core file: keys and numbers would be in it.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    outlets = Outlets(scrubber(settings))
    configure_logging(settings, stream=outlets.log_stream())
    tell_uncaught()


class Outlets:
    """Guards both descriptors from its making until `close`, or the process's end. One to a process."""

    def __init__(self, scrub: Callable[[str], str]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self._scrub = scrub
        self._real = {fd: os.dup(fd) for fd in (STDOUT, STDERR)}
        self._incoming: dict[int, int] = {}
        self._rest: dict[int, bytes] = {}
        for fd in self._real:
            incoming, outgoing = os.pipe()
            os.dup2(outgoing, fd)
            os.close(outgoing)
            self._incoming[incoming], self._rest[incoming] = fd, b""
        self._ends, self._end = os.pipe()
        self._thread = threading.Thread(target=self._pass_on, name="outlets", daemon=True)
        self._thread.start()
        if faulthandler.is_enabled():  # its lines name files and functions, no values; and no thread runs then
            faulthandler.enable(file=self._real[STDERR])
        atexit.register(self.close)

    def log_stream(self) -> TextIO:
        """Where stderr was going: for lines that are scrubbed already."""
        return open(os.dup(self._real[STDERR]), "w", encoding="utf-8", errors="backslashreplace", buffering=1)

    def close(self) -> None:
        """Pass on what is still in the pipes. What is written later goes nowhere."""
        if not self._thread.is_alive():
            return
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for fd in self._real:
            os.dup2(nowhere, fd)
        os.close(nowhere)
        os.write(self._end, b".")
        self._thread.join(SECONDS_TO_END)

    def _pass_on(self) -> None:
        with selectors.DefaultSelector() as waiting:
            for incoming in self._incoming:
                os.set_blocking(incoming, False)
                waiting.register(incoming, selectors.EVENT_READ)
            waiting.register(self._ends, selectors.EVENT_READ)
            ending = False
            while True:
                ready = [key.fd for key, _ in waiting.select(0 if ending else None)]
                ending = ending or self._ends in ready
                taken = [self._take(incoming) for incoming in ready if incoming in self._incoming]
                if ending and not any(taken):
                    break
        for incoming, rest in self._rest.items():
            self._write(self._incoming[incoming], rest)

    def _take(self, incoming: int) -> bool:
        """Pass on what one pipe holds; whether there was anything."""
        try:
            chunk = os.read(incoming, CHUNK)
        except BlockingIOError:
            return False
        whole, line, rest = (self._rest[incoming] + chunk).rpartition(b"\n")
        if len(rest) > LONGEST_LINE:
            whole, line, rest = whole + line + rest[:-OVERLAP], b"", rest[-OVERLAP:]
        self._rest[incoming] = rest
        self._write(self._incoming[incoming], whole + line)
        return bool(chunk)

    def _write(self, fd: int, text: bytes) -> None:
        """To where it was going; lost where nobody reads any more."""
        left = memoryview(self._scrub(text.decode(errors="backslashreplace")).encode(errors="backslashreplace"))
        with suppress(OSError):
            while left:
                left = left[os.write(self._real[fd], left) :]
