"""Fakes shared by many tests."""

from datetime import UTC, datetime, timedelta


class FakeClock:
    """A clock that only moves when the test advances it."""

    def __init__(self, start: datetime = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)) -> None:  # a Tuesday, 09:00 in Oslo
        self.set(start)

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by

    def set(self, to: datetime) -> None:
        if to.tzinfo is None:
            raise ValueError("an aware time, please")
        self._now = to.astimezone(UTC)
