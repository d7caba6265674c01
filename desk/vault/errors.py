"""Errors of the vault; each docstring is the message."""

from desk.errors import DeskError


class CannotOpen(DeskError):
    """A sealed value can't be opened: its key is missing, or the value was changed or moved."""

    id = "cannot-open"
