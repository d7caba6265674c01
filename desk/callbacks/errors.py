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
