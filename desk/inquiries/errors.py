"""Errors of inquiries; each docstring is the message."""

from desk.errors import DeskError


class IllegalMove(DeskError):
    """The callback can't go from the status it has to the one asked for."""

    id = "illegal-move"


class ClaimLost(DeskError):
    """The claim is no longer yours: its lease ran out, or someone else has taken the callback."""

    id = "claim-lost"


class AlreadyClaimed(DeskError):
    """Another agent has claimed this callback."""

    id = "already-claimed"


class AlreadyOpenThere(DeskError):
    """The same person has an open callback in that department already: close one of the two."""

    id = "already-open-there"


class VersionConflict(DeskError):
    """The callback has been changed since you read it."""

    id = "version-conflict"
