"""Each door reports what it holds of the operators' files, so that operators see whether all have taken an edit."""

import asyncio
import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NoReturn
from uuid import uuid4

from desk.access.actor import SYSTEM
from desk.database.deadline import within
from desk.database.errors import StorageUnavailable
from desk.database.unit_of_work import Service, Unit, reading, unit_of_work
from desk.doors import repository as rows
from desk.doors.model import DoorKind, DoorReport
from desk.files.state import FileState

REPORT_EVERY: Final = 10.0  # seconds
LEAVE_WITHIN: Final = 1.0  # seconds
LONGEST_HOST: Final = 128


class Doors(Service):
    """The doors of one database."""

    @unit_of_work
    async def report(self, unit: Unit, id: str, kind: DoorKind, host: str, files: Sequence[FileState]) -> None:
        """Record what a door holds now. Doors of its kind and machine that it has replaced are forgotten."""
        await rows.report(unit, id, kind, host, files)
        await rows.forget_replaced(unit, id, kind, host)

    @unit_of_work
    async def leave(self, unit: Unit, id: str) -> None:
        """Forget a door that stops."""
        await rows.forget(unit, id)

    @reading
    async def all(self, unit: Unit) -> Sequence[DoorReport]:
        """Return every door as it reported last."""
        return await rows.all_doors(unit)


class DoorReporter:
    """Reports for this process. `files` returns what it holds at that moment."""

    def __init__(self, doors: Doors, kind: DoorKind, files: Callable[[], Sequence[FileState]]) -> None:
        self._doors = doors
        self._kind = kind
        self._files = files
        self._id = uuid4().hex
        self._host = platform.node()[:LONGEST_HOST]

    async def report(self) -> None:
        """Report once. Raises StorageUnavailable."""
        await self._doors.report(SYSTEM, self._id, self._kind, self._host, self._files())

    async def serve(self) -> NoReturn:
        """Report for ever; without a database, try again at the next turn."""
        while True:
            with suppress(StorageUnavailable):
                await self.report()
            await asyncio.sleep(REPORT_EVERY)

    async def all(self) -> Sequence[DoorReport]:
        """Report, and return what every door reported last."""
        await self.report()
        return await self._doors.all(SYSTEM)

    async def leave(self) -> None:
        """Be forgotten, since this process stops. Never raises for a database that is away."""
        with suppress(StorageUnavailable):
            await within(LEAVE_WITHIN, self._doors.leave(SYSTEM, self._id))
