"""Errors of the database; each docstring is the message."""

from desk.errors import DeskError


class StorageUnavailable(DeskError):
    """The database can't be reached."""

    id = "storage-unavailable"

    def __init__(self, advice: str = "") -> None:
        """`advice` says what to mend to who runs the service; it names settings, so no client is shown it."""
        super().__init__()
        self.advice = advice


class BadCursor(DeskError):
    """The cursor is not one this list has given out."""

    id = "bad-cursor"
