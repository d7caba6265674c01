"""Errors of limits; each docstring is the message."""

from desk.errors import DeskError


class TooManyTries(DeskError):
    """Too many failed attempts. Wait a little, and try again."""

    id = "too-many-tries"

    def __init__(self, retry_after: int) -> None:
        """`retry_after`: seconds until the next attempt is allowed."""
        super().__init__()
        self.retry_after = retry_after


class TooManyNumbers(DeskError):
    """You have reached the hourly limit of identity numbers shown to one person. The department has been notified."""

    id = "too-many-numbers"

    def __init__(self, retry_after: int) -> None:
        """`retry_after`: seconds until one more is shown."""
        super().__init__()
        self.retry_after = retry_after


class TooManyTransfers(DeskError):
    """You have reached the limit of transfers by one person in a day. The department has been notified."""

    id = "too-many-transfers"

    def __init__(self, retry_after: int) -> None:
        """`retry_after`: seconds until one more is allowed."""
        super().__init__()
        self.retry_after = retry_after


class DialCapReached(DeskError):
    """No more calls today: the limit for this number or this agent is reached."""

    id = "dial-cap-reached"


class TrunkBudgetSpent(DeskError):
    """No more calls for now: the telephone line's limit for one hour is reached. Operators have been alarmed."""

    id = "trunk-budget-spent"
