"""What is counted: measures, the cells they are added to, and durations as buckets. Pure; no person is in any of it."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from desk.clock import OSLO


class Measure(StrEnum):
    """What a number counts. In parentheses: the detail it is divided by."""

    CALLS = "calls"  # calls that came in (prompt version)
    INCOMPLETE = "incomplete"  # ended before anything was registered (step and why)
    CONFIRMED = "confirmed"  # led to a callback
    KEYED = "keyed"  # went on after the welcome, where numbers are keyed (prompt version)
    AGAIN = "again"  # of these: another call from the same number within ten minutes (prompt version)
    REGISTERED = "registered"  # callbacks (topic)
    PRIORITY = "priority"  # callbacks (priority)
    RANG_AGAIN = "rang_again"  # calls about a callback that was open
    PROMISED = "promised"  # promises by when they were made (reason)
    KEPT = "kept"  # promises by when they were due
    BROKEN = "broken"
    WITHDRAWN = "withdrawn"  # (early: reached before the promised time)
    ATTEMPTS = "attempts"  # (outcome)
    AGENT_HOURS = "agent_hours"  # hours in which an agent tried to call; two agents in an hour are two
    REACHED = "reached"  # callbacks by when the patient was reached (number of attempts)
    UNREACHABLE = "unreachable"
    CLOSED = "closed"  # (reason)
    SAME_DAY = "same_day"  # callbacks with an attempt on the day they were registered
    FIRST_ATTEMPT = "first_attempt"  # callbacks by the time until the first attempt (bucket)
    UNTIL_REACHED = "until_reached"  # callbacks by the time until reached (bucket)
    SMS = "sms"  # texts (state they came to)
    MORNING = "morning"  # in the line at 08:00 on a Monday (its date, and the quarter when they left it, or later)


SERIES: Final = (
    *(Measure.CALLS, Measure.INCOMPLETE, Measure.REGISTERED, Measure.ATTEMPTS),
    *(Measure.KEPT, Measure.BROKEN),
)
"""Measures that are shown over time."""
BY_HOUR: Final = SERIES[:4]
"""Measures that are also counted by the hour of the week."""
BY_LANGUAGE: Final = (Measure.REGISTERED, Measure.KEPT, Measure.BROKEN)
"""Measures that are also counted by language."""


def hourly(measure: Measure) -> str:
    """Return the name under which a measure is counted by the hour of the week; 0 is Monday 00:00."""
    return f"{measure.value}.hour"


def by_language(measure: Measure) -> str:
    """Return the name under which a measure is counted by language."""
    return f"{measure.value}.language"


class Grain(StrEnum):
    """The time that a cell covers."""

    DAY = "day"
    MONTH = "month"


class Count(NamedTuple):
    """One thing that is counted `n` times: what, where, and in which hour (local time)."""

    department: str
    day: str
    hour: int
    language: str
    measure: str
    detail: str
    n: int


class Cell(NamedTuple):
    """A place in the tallies: a measure and one of its details, of a department in a day or month."""

    grain: str
    department: str
    period: date
    measure: str
    detail: str


def count(department: str, at: datetime, language: str, measure: Measure, detail: str = "") -> Count:
    """Count one thing that happened at `at`."""
    local = at.astimezone(OSLO)
    return Count(department, local.date().isoformat(), local.hour, language, measure.value, detail, 1)


def cells(counts: Iterable[Count]) -> Counter[Cell]:
    """Return what these counts add to the tallies."""
    added: Counter[Cell] = Counter()
    for each in counts:
        day = date.fromisoformat(each.day)
        places = [(each.measure, each.detail)]
        if each.measure in BY_HOUR:
            places.append((hourly(Measure(each.measure)), str(day.weekday() * 24 + each.hour)))
        if each.language and each.measure in BY_LANGUAGE:
            places.append((by_language(Measure(each.measure)), each.language))
        for grain, period in ((Grain.DAY, day), (Grain.MONTH, day.replace(day=1))):
            for measure, detail in places:
                added[Cell(grain.value, each.department, period, measure, detail)] += each.n
    return added


MINUTES: Final = (1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 360, 480, 600, 720, 960, 1200, 1440)
DAYS: Final = (1.5, 2, 2.5, 3, 4, 5, 6, 7, 10, 14, 21, 30, 60, 90, 180, 365)
BOUNDS: Final = (*(each * 60 for each in MINUTES), *(int(each * 86400) for each in DAYS))
"""Upper bounds of the duration buckets, in seconds. The last bucket has none."""


def bucket(duration: timedelta) -> str:
    """Return the bucket of a duration: its place among the bounds."""
    return f"{bisect_left(BOUNDS, duration.total_seconds()):02d}"


@dataclass(frozen=True)
class Durations:
    """Durations as counts by bucket."""

    counts: Sequence[tuple[str, int]]

    def percentile(self, percent: int) -> int | None:
        """Return the upper bound, in seconds, of the bucket in which that percentile is. None if there are none."""
        total = sum(n for _, n in self.counts)
        if total <= 0:
            return None
        rank, seen = max(1, -(-total * percent // 100)), 0
        places = []
        for place, n in sorted(self.counts):
            places.append(int(place))
            seen += n
            if seen >= rank:
                break
        return BOUNDS[min(places[-1], len(BOUNDS) - 1)]
