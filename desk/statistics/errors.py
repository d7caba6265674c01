"""Errors of the figures."""

from desk.errors import DeskError


class RangeTooLong(DeskError):
    """Not a valid range of days: the last must not be before the first, and at most five years after it."""

    id = "statistics-range"
