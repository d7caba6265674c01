"""A file that operators edit while we run: an edit takes effect at once, a mistake never does."""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Final, Generic, TypeVar

import structlog

from desk.files.errors import OperatorsFileError
from desk.files.state import FileRefusal, FileState, TakenBy

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 1.0
SETTLING: Final = 0.5
"""Seconds an edited file must be at rest before it is read: an editor may still be writing it."""

Stamp = tuple[int, int, int]
T = TypeVar("T")
E = TypeVar("E", bound=OperatorsFileError)


class EditedFile(Generic[T, E]):
    """The content of a file as it is now. The file is checked at most each second, and read when it has changed.

    A file with a mistake is refused as a whole: the mistake is logged and kept in `fault`, and the last valid content
    is still used. Without any, there is none. So it is with anything else that prevents reading it.

    Where an event loop runs, the file is read in a thread: a slow disk or a large file delays no call. The content is
    then the one from before until the thread has read it.
    """

    refused: ClassVar[str]
    """The log message of a file that is refused."""
    reloaded: ClassVar[str]
    """The log message of a file that was read again."""
    required: ClassVar[bool] = False
    """Whether a mistake at the start is raised instead."""

    def __init__(
        self,
        file: Path,
        load: Callable[[Path], T],
        faults: type[E],
        *,
        seconds: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`seconds` is a clock that never jumps, `wall` the one files are stamped by."""
        self._file = file
        self._load = load
        self._faults = faults
        self._seconds = seconds
        self._wall = wall
        self._content: T | None = None
        self._checked_at = seconds()
        self._lock = threading.Lock()
        self._reading: asyncio.Future[None] | None = None
        self.fault: E | None = None
        self._stamp = _stamp(file)
        self.state = FileState(file.name, None, TakenBy.START)
        try:
            self._content = self._loaded()
        except faults as fault:
            if self.required:
                raise
            self._refuse(fault)
        else:
            self._took(TakenBy.START)

    async def watch(self) -> None:
        """Check the file each second, so that a mistake is logged when it is made and not at the next call."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            self._current()

    def _current(self) -> T | None:
        if self._seconds() - self._checked_at >= EVERY_SECONDS:
            self._checked_at = self._seconds()
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                self._check()
            else:
                self._reading = loop.run_in_executor(None, self._check)
        return self._content

    def checked(self) -> FileState:
        """Check the file if it is time, and return what is in use."""
        self._current()
        return self.state

    async def settled(self) -> None:
        """Check the file if it is time, and wait until it is read."""
        self._current()
        if self._reading is not None and not self._reading.done():
            await asyncio.wait([self._reading])

    def fault_on_disk(self) -> E | None:
        """Return the fault of the file as it was checked last; wait for a check under way. Not for an event loop."""
        with self._lock:
            return self.fault

    def _check(self) -> None:
        with self._lock:
            self._check_alone()

    def _loaded(self) -> T:
        """Load the file. Raises only the fault of this kind of file, whatever prevents that."""
        try:
            return self._load(self._file)
        except self._faults:
            raise
        except Exception as error:
            log.error("An operators' file can't be read", file=str(self._file), error=type(error).__name__)
            raise self._faults(self._file, None, f"it can't be read ({type(error).__name__})") from None

    def _check_alone(self) -> None:
        stamp = _stamp(self._file)
        if stamp == self._stamp or (stamp and 0 <= self._wall() - stamp[0] / 1e9 < SETTLING):
            return
        try:
            content = self._loaded()
        except self._faults as fault:
            self._stamp = stamp
            self._refuse(fault)
            return
        if _stamp(self._file) != stamp:
            return  # it was written while it was read: the next check takes it
        self._stamp, self.fault, self._content = stamp, None, content
        self._took(TakenBy.EDIT)
        log.info(self.reloaded, **self._logged(content))

    def _took(self, by: TakenBy) -> None:
        edited_at = datetime.fromtimestamp(self._stamp[0] / 1e9, UTC) if self._stamp else None
        self.state = FileState(self._file.name, self._now(), by, edited_at)

    def _refuse(self, fault: E) -> None:
        self.fault = fault
        self.state = replace(self.state, refusal=FileRefusal(self._now(), fault.line, fault.reason))
        log.error(self.refused, **_place(fault))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._wall(), UTC)

    def _logged(self, content: T) -> dict[str, list[str]]:
        """What to log of new content."""
        return {}


def _stamp(file: Path) -> Stamp | None:
    """What changes when a file is edited or replaced; None when it can't be read."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _place(fault: OperatorsFileError) -> dict[str, str | int | None]:
    return {"file": fault.file, "line": fault.line, "reason": fault.reason}
