"""Times as people say them: «for 12 minutter siden», «i dag innen 15:00». Pure; the words are the language's."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from api.console.words import Wording
from desk.clock import OSLO
from desk.departments.departments import Policy
from desk.promises.model import Promise

SOON: Final = timedelta(minutes=45)
"""A promise this close is «soon»."""


def ago(words: Wording, then: datetime, now: datetime) -> str:
    """How long ago it was: minutes within the hour, hours within the day, else the day and the time."""
    minutes = int((now - then).total_seconds() // 60)
    if minutes < 1:
        return words("time.just_now")
    if minutes < 60:
        return words.count("time.minutes_ago", minutes)
    if then.astimezone(OSLO).date() == now.astimezone(OSLO).date():
        return words.count("time.hours_ago", minutes // 60)
    return day_and_time(words, then, now)


def lasting(words: Wording, duration: timedelta) -> str:
    """How long something has lasted: «12 min», «3 t 5 min», «2 d 4 t»."""
    minutes = max(int(duration.total_seconds() // 60), 0)
    if minutes < 60:
        return words("time.for_minutes", minutes=minutes)
    hours = minutes // 60
    if hours < 24:
        return words("time.for_hours", hours=hours, minutes=minutes % 60)
    return words("time.for_days", days=hours // 24, hours=hours % 24)


def day_and_time(words: Wording, when: datetime, now: datetime) -> str:
    """The day as people say it, and the time: «i dag 10:30», «tirsdag 10:30», «3. mars 10:30»."""
    return f"{day(words, when, now)} {clock_time(when)}"


def promised(words: Wording, promise: Promise, now: datetime) -> str:
    """When the patient was promised a call: «i dag innen 15:00», «i morgen kl. 10:00»."""
    key = "time.by" if promise.policy is Policy.DEADLINE else "time.at"
    return f"{day(words, promise.by, now)} {words(key)} {clock_time(promise.by)}"


def day(words: Wording, when: datetime, now: datetime) -> str:
    """The day: today, tomorrow, yesterday, a weekday within six days, else the date."""
    local = when.astimezone(OSLO).date()
    away = (local - now.astimezone(OSLO).date()).days
    if away in (-1, 0, 1):
        return words(("time.yesterday", "time.today", "time.tomorrow")[away + 1])
    if 1 < away < 7:
        return words(f"time.weekday_{local.isoweekday()}")
    return words("time.date", day=local.day, month=words(f"time.month_{local.month}"))


def clock_time(when: datetime) -> str:
    """The time of day in Oslo: 10:30."""
    return f"{when.astimezone(OSLO):%H:%M}"


@lru_cache(maxsize=4096)
def exact(when: datetime) -> str:
    """Day and time in full, for a tooltip and for screen readers: 30.11.2026 10:30."""
    return f"{when.astimezone(OSLO):%d.%m.%Y %H:%M}"


def urgency(promise: Promise, now: datetime) -> str:
    """How urgent a promise is: `overdue`, `soon`, or `due` later."""
    if promise.by < now:
        return "overdue"
    return "soon" if promise.by - now <= SOON else "due"
