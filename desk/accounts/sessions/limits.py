"""How long a log-in lasts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

AHEAD: Final = timedelta(minutes=5)
"""How far apart the clocks of several machines may be."""


@dataclass(frozen=True)
class SessionCutoff:
    """Sessions last used before `seen` or opened before `created` have ended.

    So have those opened after `opened_by`: a clock was ahead then, and they would last too long.
    """

    seen: datetime
    created: datetime
    opened_by: datetime


@dataclass(frozen=True)
class SessionLimits:
    """How long without a request, and how long altogether."""

    idle: timedelta = timedelta(minutes=30)
    absolute: timedelta = timedelta(hours=12)

    def cutoff(self, now: datetime) -> SessionCutoff:
        """The sessions that have ended by now."""
        return SessionCutoff(seen=now - self.idle, created=now - self.absolute, opened_by=now + AHEAD)
