"""departments.toml as it stands on disk: an edit takes effect at once, a mistake never does."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final

import structlog

from desk.departments import Departments, load_departments
from desk.errors import DepartmentsFileError

log = structlog.get_logger(__name__)

LOOK_EVERY: Final = 1.0
SETTLING: Final = 0.5
"""Seconds an edited file rests before it is read: an editor may still be writing it."""

Stamp = tuple[int, int, int]


class DepartmentsFile:
    """Call it for the departments of now. It looks at the file at most each second, and reads it when it changed.

    A file with a mistake is refused whole: it is logged with file, line and reason, `fault` tells it, and the last
    good one goes on. Raises DepartmentsFileError at the start, when there is no good one yet.
    """

    def __init__(
        self, file: Path, *, seconds: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        """`seconds` is a clock that never jumps, `wall` the one files are stamped by."""
        self._file = file
        self._seconds = seconds
        self._wall = wall
        self._held: ContextVar[Departments | None] = ContextVar("departments held", default=None)
        self._stamp = _stamp(file)
        self._good = load_departments(file)
        self._looked_at = seconds()
        self.fault: DepartmentsFileError | None = None

    def __call__(self) -> Departments:
        """The departments of now, or those of the conversation this task holds."""
        return self._held.get() or self._now()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within this block, and in this task only, the departments stay as they are: a call ends as it began."""
        token = self._held.set(self())
        try:
            yield
        finally:
            self._held.reset(token)

    async def keep_looking(self) -> None:
        """Look each second, so that a mistake is told when it is made and not when the next caller rings."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self._now()

    def _now(self) -> Departments:
        if self._seconds() - self._looked_at >= LOOK_EVERY:
            self._looked_at = self._seconds()
            self._look()
        return self._good

    def _look(self) -> None:
        stamp = _stamp(self._file)
        if stamp == self._stamp or (stamp and 0 <= self._wall() - stamp[0] / 1e9 < SETTLING):
            return
        try:
            departments = load_departments(self._file)
        except DepartmentsFileError as fault:
            self._stamp, self.fault = stamp, fault
            log.error("The departments file is refused: the last good one goes on", **_place(fault))
            return
        if _stamp(self._file) != stamp:
            return  # written while it was read: the next look takes it
        self._stamp, self.fault, self._good = stamp, None, departments
        log.info("The departments file was read anew", departments=list(departments))


def _stamp(file: Path) -> Stamp | None:
    """What differs when a file was edited or put in place of the old one; None when it can't be seen."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _place(fault: DepartmentsFileError) -> dict[str, str | int | None]:
    return {"file": fault.file, "line": fault.line, "reason": fault.reason}
