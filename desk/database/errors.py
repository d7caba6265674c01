"""Errors of the database; each docstring is the message."""

from desk.errors import DeskError


class StorageUnavailable(DeskError):
    """The database can't be reached."""

    id = "storage-unavailable"

    def __init__(self, advice: str = "") -> None:
        """`advice` tells the operator what to fix. It names settings, so clients never see it."""
        super().__init__()
        self.advice = advice


class BadCursor(DeskError):
    """Not a cursor of this list."""

    id = "bad-cursor"
