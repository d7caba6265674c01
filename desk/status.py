"""Where a callback stands. Apart from desk.callbacks because the rules for promises and attempts need it too."""

from enum import StrEnum


class Status(StrEnum):
    """A callback's state; which may follow which is desk.callbacks.TRANSITIONS."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    UNREACHABLE = "unreachable"
    CLOSED = "closed"
