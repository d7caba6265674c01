"""Errors of promises; each docstring is the message."""

from desk.errors import DeskError


class PromiseNotPossible(DeskError):
    """A promise must be in the future, within two months, on a working day, and its round must have room."""

    id = "promise-not-possible"


class ClosureOver(DeskError):
    """The closure is already over."""

    id = "closure-over"


class ClosureNotFound(DeskError):
    """The department has no such closure, or it is already over."""

    id = "closure-not-found"
