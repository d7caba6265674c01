"""Errors of the database; each docstring is the message."""

from desk.database.faults import StorageFault
from desk.errors import DeskError


class StorageUnavailable(DeskError):
    """The database can't be reached."""

    id = "storage-unavailable"

    def __init__(self, advice: str = "", fault: StorageFault | None = None) -> None:
        """`advice`: what the operator can fix. It names settings, so clients never see it."""
        super().__init__()
        self.advice = advice
        self.fault = fault


class BadCursor(DeskError):
    """Not a cursor of this list."""

    id = "bad-cursor"
