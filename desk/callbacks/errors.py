"""Errors of callbacks; each docstring is the message."""

from desk.errors import DeskError


class CallbackNotFound(DeskError):
    """There is no such callback."""

    id = "callback-not-found"


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


class IdentityNotTaken(DeskError):
    """This department takes no identity numbers."""

    id = "identity-not-taken"


class VersionConflict(DeskError):
    """The callback has been changed since you read it."""

    id = "version-conflict"


class TooManyNumbers(DeskError):
    """You have seen as many identity numbers as one person may in an hour; the department has been told."""

    id = "too-many-numbers"

    def __init__(self, retry_after: int) -> None:
        """`retry_after`: seconds until one more is shown."""
        super().__init__()
        self.retry_after = retry_after
