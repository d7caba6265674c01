"""What a caller is promised, and what an unanswered attempt leads to. Pure: department rules and `now` in, answer out.

Hours are wall time in Europe/Oslo, instants are aware UTC. Workdays are Monday to Friday less Norwegian public
holidays and the department's own closed days.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache

import holidays

from desk.callbacks import Status
from desk.clock import OSLO
from desk.departments import Department, Policy
from desk.errors import PromiseNotPossible

OPENS = time(8)
"""When a department starts ringing on a day that begins with promises already given (deadline policy)."""

SATURDAY = 5

FURTHEST = timedelta(days=62)
"""How far ahead an agent may promise."""


@dataclass(frozen=True)
class Promise:
    """When we ring: at a round (`from_` == `by`), or within a window that closes at the deadline. Aware UTC."""

    policy: Policy
    from_: datetime
    by: datetime


class PromiseReason(StrEnum):
    """What a promise was given for."""

    REGISTERED = "registered"
    RANG_AGAIN = "rang_again"
    ATTEMPT = "attempt"
    REOPENED = "reopened"
    TRANSFERRED = "transferred"
    BY_AGENT = "by_agent"


@dataclass(frozen=True)
class NextStep:
    """What follows an unanswered attempt: whether it counts, where the callback goes, and the promise it then has."""

    counted: bool
    status: Status
    next_promise: Promise | None


def due(department: Department, promise: Promise) -> datetime:
    """Until when ringing keeps the promise: the deadline itself, or the end of the promised round."""
    return promise.by + department.round_length if promise.policy is Policy.ROUNDS else promise.by


def promise_by_hand(department: Department, by: datetime, now: datetime) -> Promise:
    """The promise an agent gives: by that moment, or in rounds at it. Raises PromiseNotPossible.

    It lies ahead, within two months, on a day the department rings.
    """
    day = by.astimezone(OSLO).date()
    if not now < by <= now + FURTHEST or not is_workday(department, day):
        raise PromiseNotPossible
    by = by.astimezone(UTC)
    if department.policy is Policy.ROUNDS:
        return Promise(Policy.ROUNDS, by, by)
    return Promise(Policy.DEADLINE, max(now.astimezone(UTC), min(_instant(day, OPENS), by)), by)


def is_workday(department: Department, day: date) -> bool:
    """Whether the department rings anyone that day, half days included."""
    return day.weekday() < SATURDAY and day not in department.closed_days and day not in public_holidays(day.year)


@lru_cache(maxsize=64)
def public_holidays(year: int) -> dict[date, str]:
    """Norwegian public holidays of one year and their names in Bokmål."""
    return dict(holidays.country_holidays("NO", years=year, language="no"))


def promise_for(department: Department, now: datetime) -> Promise:
    """The promise for someone who rings at `now`.

    The cutoff and the start of a round are too late: who rings at 10:00:00 is not promised the round at 10:00.
    """
    if department.policy is Policy.ROUNDS:
        return _next_round(department, now)
    return _next_deadline(department, now)


def promise_past(department: Department, now: datetime, closed: Sequence[tuple[datetime, datetime]]) -> Promise:
    """`promise_for`, past the times (from, until) at which the queue is closed.

    Who rings in one, or would be rung from a moment in one, is promised what follows it.
    """
    moment, promise = now, promise_for(department, now)
    while True:
        ends = (until for from_, until in closed if from_ <= moment < until or from_ <= promise.from_ < until)
        end = max(ends, default=None)
        if end is None:
            return promise
        moment = end.astimezone(UTC)
        promise = promise_for(
            department, moment - timedelta(microseconds=1)
        )  # a round that begins with the end is open
        if department.policy is Policy.DEADLINE:
            by = promise.by.astimezone(OSLO)
            promise = replace(promise, from_=max(promise.from_, moment, _opening(by.date(), by.time())))


def after_unanswered(
    department: Department, callback_promise: Promise, previous_counted: Sequence[datetime], now: datetime
) -> NextStep:
    """What an attempt at `now` that nobody answered leads to.

    `previous_counted` are the times of this callback's earlier counted attempts. A try before the promised time, or
    too soon after a counted one, does not count: the patient is rung again as promised.
    """
    if now < callback_promise.from_ or _too_soon(department, previous_counted, now):
        kept = callback_promise if callback_promise.by > now else promise_for(department, now)
        return NextStep(counted=False, status=Status.WAITING, next_promise=kept)
    if len(previous_counted) + 1 >= department.max_attempts:
        return NextStep(counted=True, status=Status.UNREACHABLE, next_promise=None)
    return NextStep(counted=True, status=Status.WAITING, next_promise=_promise_after_attempt(department, now))


def attempts_note(times: Sequence[datetime]) -> str:
    """A line to paste into the patient's record: «ringt x3: man 10:02, man 13:05, tir 10:01»."""
    if not times:
        return "ikke ringt"
    local = [moment.astimezone(OSLO) for moment in times]
    return f"ringt x{len(local)}: " + ", ".join(f"{SHORT_DAYS[when.weekday()]} {when:%H:%M}" for when in local)


SHORT_DAYS = ("man", "tir", "ons", "tor", "fre", "lør", "søn")


def _next_deadline(department: Department, now: datetime) -> Promise:
    today = now.astimezone(OSLO).date()
    for day in _workdays(department, today):
        cutoff, answer_by = _hours(department, day)
        if day > today:
            return Promise(Policy.DEADLINE, _opening(day, answer_by), _instant(day, answer_by))
        if now < _instant(day, cutoff):
            return Promise(Policy.DEADLINE, now.astimezone(UTC), _instant(day, answer_by))
    raise AssertionError("workdays never end")


def _next_round(department: Department, now: datetime) -> Promise:
    for day in _workdays(department, now.astimezone(OSLO).date()):
        for start in _rounds(department, day):
            begins = _instant(day, start)
            if begins > now:
                return Promise(Policy.ROUNDS, begins, begins)
    raise AssertionError("workdays never end")


def _promise_after_attempt(department: Department, now: datetime) -> Promise:
    """The next round; or `min_spacing` from now if that is before the day's deadline, else the next workday's."""
    if department.policy is Policy.ROUNDS:
        return _next_round(department, now)
    earliest = now.astimezone(UTC) + department.min_spacing
    for day in _workdays(department, now.astimezone(OSLO).date()):
        _, answer_by = _hours(department, day)
        by = _instant(day, answer_by)
        if earliest < by:
            return Promise(Policy.DEADLINE, max(earliest, _opening(day, answer_by)), by)
    raise AssertionError("workdays never end")


def _too_soon(department: Department, previous_counted: Sequence[datetime], now: datetime) -> bool:
    """Whether an attempt has counted in this round (two moments are in one when the same round comes next)."""
    if department.policy is Policy.ROUNDS:
        upcoming = _next_round(department, now)
        return any(_next_round(department, earlier) == upcoming for earlier in previous_counted)
    return any(now - earlier < department.min_spacing for earlier in previous_counted)


def _workdays(department: Department, first: date) -> Iterator[date]:
    day = first
    while True:
        if is_workday(department, day):
            yield day
        day += timedelta(days=1)


def _hours(department: Department, day: date) -> tuple[time, time]:
    """The cutoff and deadline of that day."""
    half = department.half_days.get(day)
    cutoff = half.cutoff if half else department.cutoff
    answer_by = half.answer_by if half else department.answer_by
    if cutoff is None or answer_by is None:
        raise ValueError(f"department {department.slug} has the deadline policy and no cutoff or answer_by")
    return cutoff, answer_by


def _rounds(department: Department, day: date) -> tuple[time, ...]:
    half = department.half_days.get(day)
    return half.rounds if half else department.rounds


def _opening(day: date, answer_by: time) -> datetime:
    """When the answering window opens: at eight, or with the deadline itself where that is earlier."""
    return _instant(day, min(OPENS, answer_by))


def _instant(day: date, at: time) -> datetime:
    return datetime.combine(day, at, OSLO).astimezone(UTC)


@dataclass(frozen=True)
class _Words:
    """One language's words for a promise."""

    today: str
    tomorrow: str
    by: str
    at: str
    days: tuple[str, ...]
    months: tuple[str, ...]
    date: str
    clock: str


_NB_MONTHS = (
    *("januar", "februar", "mars", "april", "mai", "juni"),
    *("juli", "august", "september", "oktober", "november", "desember"),
)
_WORDS = {
    "nb": _Words(
        today="i dag",
        tomorrow="i morgen",
        by="innen klokken",
        at="klokken",
        days=("mandag", "tirsdag", "onsdag", "torsdag", "fredag", "lørdag", "søndag"),
        months=_NB_MONTHS,
        date="{weekday} {day}. {month}",
        clock="norwegian",
    ),
    "nn": _Words(
        today="i dag",
        tomorrow="i morgon",
        by="innan klokka",
        at="klokka",
        days=("måndag", "tysdag", "onsdag", "torsdag", "fredag", "laurdag", "søndag"),
        months=_NB_MONTHS,
        date="{weekday} {day}. {month}",
        clock="norwegian",
    ),
    "en": _Words(
        today="today",
        tomorrow="tomorrow",
        by="by",
        at="at",
        days=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        months=(
            *("January", "February", "March", "April", "May", "June"),
            *("July", "August", "September", "October", "November", "December"),
        ),
        date="{weekday} {day} {month}",
        clock="english",
    ),
}


def spoken_text(promise: Promise, department: Department, now: datetime, language: str = "nb") -> str:
    """The promise as the caller is told it: «i dag innen klokken 15», «tirsdag 30. mars klokken 10».

    Weekdays alone reach six days ahead; further off the date is said. A language without words (nb, nn and en have
    them) falls back to the department's first.
    """
    words = _WORDS.get(language) or _WORDS.get(department.languages[0]) or _WORDS["nb"]
    when = promise.by.astimezone(OSLO)
    away = (when.date() - now.astimezone(OSLO).date()).days
    preposition = words.by if promise.policy is Policy.DEADLINE else words.at
    return f"{_day(words, when, away)} {preposition} {_hour(words, when)}"


def _day(words: _Words, when: datetime, away: int) -> str:
    if away == 0:
        return words.today
    if away == 1:
        return words.tomorrow
    weekday = words.days[when.weekday()]
    if 1 < away <= 6:
        return weekday
    return words.date.format(weekday=weekday, day=when.day, month=words.months[when.month - 1])


def _hour(words: _Words, when: datetime) -> str:
    """15, 9.30 in Norwegian; 15:00, 9:30 in English."""
    if words.clock == "english":
        return f"{when.hour}:{when.minute:02}"
    return f"{when.hour}.{when.minute:02}" if when.minute else f"{when.hour}"
