"""Errors of inquiries; each docstring is the message."""

from desk.errors import DeskError


class IllegalMove(DeskError):
    """The callback's status does not allow this."""

    id = "illegal-move"


class ClaimLost(DeskError):
    """The claim is no longer yours: its lease has run out, or another agent has taken the callback."""

    id = "claim-lost"


class IdentityInNote(DeskError):
    """A note can't contain an identity number: it is stored in clear. The callback has the number already."""

    id = "identity-in-note"


class UnprintableNote(DeskError):
    """A note can't contain control characters."""

    id = "unprintable-note"


class TooManyClaimed(DeskError):
    """You hold as many callbacks as one person may at once. Finish or release some of them first."""

    id = "too-many-claimed"


class AlreadyClaimed(DeskError):
    """Another agent has claimed this callback."""

    id = "already-claimed"


class UnknownTopic(DeskError):
    """This is not one of the department's topics."""

    id = "unknown-topic"


class VersionConflict(DeskError):
    """The callback has changed since you read it."""

    id = "version-conflict"
