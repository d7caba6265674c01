"""Errors of callbacks; each docstring is the message."""

from desk.errors import DeskError


class CallbackNotFound(DeskError):
    """There is no such callback."""

    id = "callback-not-found"


class CallNotFound(DeskError):
    """There is no such call."""

    id = "call-not-found"


class IdentityNotTaken(DeskError):
    """This department does not accept identity numbers."""

    id = "identity-not-taken"


class NothingToSearchFor(DeskError):
    """Search for a telephone number, an identity number, or at least two letters of a note."""

    id = "nothing-to-search-for"


class CallDealtWith(DeskError):
    """Someone has dealt with this call already."""

    id = "call-dealt-with"


class NoNumber(DeskError):
    """There is no number to call: find it in the patient's record, and book the callback with it."""

    id = "no-number"
