"""Errors of callbacks; each docstring is the message."""

from desk.errors import DeskError


class CallbackNotFound(DeskError):
    """There is no such callback."""

    id = "callback-not-found"


class IdentityNotTaken(DeskError):
    """This department does not accept identity numbers."""

    id = "identity-not-taken"


class TooManyNumbers(DeskError):
    """You have reached the hourly limit of identity numbers shown to one person. The department has been notified."""

    id = "too-many-numbers"

    def __init__(self, retry_after: int) -> None:
        """`retry_after`: seconds until one more is shown."""
        super().__init__()
        self.retry_after = retry_after
