"""Errors of the spool; each docstring is the message."""

from desk.errors import DeskError


class SpoolUnavailable(DeskError):
    """Nothing can be written to the spool."""

    id = "spool-unavailable"


class DamagedEntry(DeskError):
    """A file in the spool cannot be read."""

    id = "damaged-entry"
