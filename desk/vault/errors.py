"""Errors of the vault; each docstring is the message."""

from desk.errors import DeskError


class CannotOpen(DeskError):
    """A sealed value doesn't open: its key is missing, or it has been changed or moved since it was sealed."""

    id = "cannot-open"
