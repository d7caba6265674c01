"""Errors of the clock check; each docstring is the message."""

from desk.errors import DeskError


class ClockDoubted(DeskError):
    """The machine's clock may be wrong, so nothing is deleted:"""

    id = "clock-doubted"
