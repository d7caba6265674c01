"""Errors of recordings; each docstring is the message."""

from desk.errors import DeskError


class RecordingNotFound(DeskError):
    """The callback has no recording."""

    id = "recording-not-found"
