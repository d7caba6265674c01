"""When a clock is doubted. Pure.

A machine that starts with a wrong clock looks like any other. What it can be compared with is the database's clock,
where that is another one, and what was stored before: deletion runs each night, so the last run is a day old.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

SKEW: Final = timedelta(seconds=5)
"""From here on the difference from the database's clock is reported. Leases of phone doors last ten seconds."""
SKEW_TO_DELETE: Final = timedelta(minutes=1)
GAP: Final = timedelta(days=2)
"""The longest time since the last run after which the next deletes by itself."""
AHEAD: Final = timedelta(minutes=5)
"""How far ahead stored times may be, on several machines with almost the same time."""


@dataclass(frozen=True)
class ClockReadings:
    """What the clock is compared with. `database`: None where it has no clock of its own (SQLite).

    `last_run`: when nightly deletion last did something, as far as that is not in the future. `first`, `newest`: of
    the history. None: there is none yet.
    """

    database: datetime | None
    last_run: datetime | None
    first: datetime | None
    newest: datetime | None


def skew(now: datetime, readings: ClockReadings) -> timedelta | None:
    """Return how far the clock is ahead of the database's; None where there is nothing to compare."""
    return now - readings.database if readings.database is not None else None


def doubt(now: datetime, readings: ClockReadings, *, gap_is_right: bool = False) -> str | None:
    """Return why nothing may be deleted by this clock, or None.

    The last run counts, not the newest history: one caller who rings while the clock is wrong makes the history new.
    Without a run the first history counts: a service that has had a night behind it has had a run.
    """
    difference = skew(now, readings)
    if difference is not None and abs(difference) > SKEW_TO_DELETE:
        return f"it differs from the database's by {in_words(difference)}"
    since, what = readings.last_run, "the last nightly deletion"
    if since is None:
        since, what = readings.first, "the first history"
    if since is not None and now - since > GAP and not gap_is_right:
        return f"by it {what} was {in_words(now - since)} ago"
    return None


def fault(now: datetime, readings: ClockReadings) -> str | None:
    """Return what is wrong with the clock as it is now, or None. What is only reported, and hinders nothing."""
    difference = skew(now, readings)
    if difference is not None and abs(difference) > SKEW:
        return f"it differs from the database's by {in_words(difference)}"
    if readings.newest is not None and readings.newest > now + AHEAD:
        return f"the newest history is {in_words(readings.newest - now)} in the future"
    return None


def in_words(time: timedelta) -> str:
    """Return a time as words, to the largest unit that matters."""
    seconds = abs(time.total_seconds())
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"
