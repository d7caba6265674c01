"""Errors of promises; each docstring is the message."""

from desk.errors import DeskError


class PromiseNotPossible(DeskError):
    """A promise lies ahead, within two months, on a day the department rings, while it is open and has room."""

    id = "promise-not-possible"
