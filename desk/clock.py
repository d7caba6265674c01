"""What time it is. Rules take `now` as an argument; only the outermost code asks a clock."""

from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

OSLO = ZoneInfo("Europe/Oslo")
"""The wall clock of every Norwegian hospital: opening hours and promises are in it; instants are stored in UTC."""


class Clock(Protocol):
    """A source of the current time."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)
