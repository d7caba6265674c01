"""How long a log-in lasts."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class SessionCutoff:
    """Sessions last used before `seen` or opened before `created` have ended."""

    seen: datetime
    created: datetime


@dataclass(frozen=True)
class SessionLimits:
    """How long without a request, and how long altogether."""

    idle: timedelta = timedelta(minutes=30)
    absolute: timedelta = timedelta(hours=12)

    def cutoff(self, now: datetime) -> SessionCutoff:
        """The sessions that have ended by now."""
        return SessionCutoff(seen=now - self.idle, created=now - self.absolute)
