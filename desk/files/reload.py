"""Operators' files as they stand on disk: an edit takes effect at once, a mistake never does."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import ClassVar, Final, Generic, TypeVar

import structlog

from desk.accounts.errors import AccessFileError
from desk.accounts.oidc.groups_file import GroupsToRoles, load_access
from desk.departments.departments import Departments, load_departments
from desk.departments.errors import DepartmentsFileError
from desk.files.errors import OperatorsFileError
from desk.messages.errors import SmsTextsError
from desk.messages.texts import SmsTexts, load_sms_texts

log = structlog.get_logger(__name__)

LOOK_EVERY: Final = 1.0
SETTLING: Final = 0.5
"""Seconds an edited file rests before it is read: an editor may still be writing it."""

Stamp = tuple[int, int, int]
T = TypeVar("T")
E = TypeVar("E", bound=OperatorsFileError)


class EditedFile(Generic[T, E]):
    """What a file says now. It looks at the file at most each second, and reads it when it changed.

    A file with a mistake is refused whole: it is logged with file, line and reason, `fault` tells it, and the last
    good one goes on.
    """

    refused: ClassVar[str]
    read_anew: ClassVar[str]

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
        self._stamp: Stamp | None = None
        self._good: T | None = None
        self._looked_at = seconds()
        self.fault: E | None = None

    async def keep_looking(self) -> None:
        """Look each second, so that a mistake is told when it is made and not when the next caller rings."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self._newest()

    def _newest(self) -> T | None:
        if self._seconds() - self._looked_at >= LOOK_EVERY:
            self._looked_at = self._seconds()
            self._look()
        return self._good

    def _look(self) -> None:
        stamp = _stamp(self._file)
        if stamp == self._stamp or (stamp and 0 <= self._wall() - stamp[0] / 1e9 < SETTLING):
            return
        try:
            found = self._load(self._file)
        except self._faults as fault:
            self._stamp, self.fault = stamp, fault
            log.error(self.refused, **_place(fault))
            return
        if _stamp(self._file) != stamp:
            return  # written while it was read: the next look takes it
        self._stamp, self.fault, self._good = stamp, None, found
        log.info(self.read_anew, **self._told(found))

    def _told(self, found: T) -> dict[str, list[str]]:
        return {}


class DepartmentsFile(EditedFile[Departments, DepartmentsFileError]):
    """departments.toml: call it for the departments of now.

    Raises DepartmentsFileError at the start, when there is no good file yet.
    """

    refused = "The departments file is refused: the last good one goes on"
    read_anew = "The departments file was read anew"

    def __init__(
        self, file: Path, *, seconds: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        super().__init__(file, load_departments, DepartmentsFileError, seconds=seconds, wall=wall)
        self._held: ContextVar[Departments | None] = ContextVar("departments held", default=None)
        self._stamp = _stamp(file)
        self._good: Departments = load_departments(file)

    def __call__(self) -> Departments:
        """The departments of now, or those of the conversation this task holds."""
        self._newest()
        return self._held.get() or self._good

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within this block, and in this task only, the departments stay as they are: a call ends as it began."""
        token = self._held.set(self())
        try:
            yield
        finally:
            self._held.reset(token)

    def _told(self, found: Departments) -> dict[str, list[str]]:
        return {"departments": list(found)}


class SmsTextsFile(EditedFile[SmsTexts, SmsTextsError]):
    """sms.toml: call it for the texts of now. None while there has been no good file: then no text is written."""

    refused = "The texts of SMS are refused: the last good ones go on"
    read_anew = "The texts of SMS were read anew"

    def __init__(
        self, file: Path, *, seconds: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        super().__init__(file, load_sms_texts, SmsTextsError, seconds=seconds, wall=wall)
        self._stamp = _stamp(file)
        try:
            self._good = load_sms_texts(file)
        except SmsTextsError as fault:
            self.fault = fault
            log.error(self.refused, **_place(fault))

    def __call__(self) -> SmsTexts | None:
        """The texts of now."""
        return self._newest()


class AccessFile(EditedFile[GroupsToRoles, AccessFileError]):
    """access.toml: call it for what groups give now. None while there has been no good file: nobody is let in by it."""

    refused = "The file of groups and roles is refused: the last good one goes on"
    read_anew = "The file of groups and roles was read anew"

    def __init__(
        self, file: Path, *, seconds: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        super().__init__(file, load_access, AccessFileError, seconds=seconds, wall=wall)
        self._stamp = _stamp(file)
        try:
            self._good = load_access(file)
        except AccessFileError as fault:
            self.fault = fault
            log.error(self.refused, **_place(fault))

    def __call__(self) -> GroupsToRoles | None:
        """The mapping of now."""
        return self._newest()


def _stamp(file: Path) -> Stamp | None:
    """What differs when a file was edited or put in place of the old one; None when it can't be seen."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _place(fault: OperatorsFileError) -> dict[str, str | int | None]:
    return {"file": fault.file, "line": fault.line, "reason": fault.reason}
