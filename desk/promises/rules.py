"""What a caller is promised, and what an unanswered attempt leads to. Pure: rules and `now` are passed in.

Hours are local time in Europe/Oslo, instants are aware UTC. Workdays are Monday to Friday less Norwegian public
holidays and the department's own closed days.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from desk.clock import OSLO
from desk.departments.calendar import is_workday, may_ring
from desk.departments.departments import Department, Policy
from desk.promises.errors import PromiseNotPossible
from desk.promises.model import UNLIMITED, Availability, NextStep, Promise

FURTHEST = timedelta(days=62)
"""How far ahead an agent may promise."""

MOST_FULL: Final = 250
"""Promises considered. If all of them are full, the last one takes one more: no one is turned away."""

INSTANT: Final = timedelta(microseconds=1)


def due(department: Department, promise: Promise) -> datetime:
    """Return until when a call keeps the promise: the deadline itself, or the end of the promised round."""
    return promise.by + department.round_length if promise.policy is Policy.ROUNDS else promise.by


def promise_by_hand(
    department: Department, by: datetime, now: datetime, availability: Availability = UNLIMITED
) -> Promise:
    """Return the promise an agent chooses: by that moment, or with rounds at it. Raises PromiseNotPossible.

    It must be in the future, within two months, on a day the department calls, not while the queue is closed, and
    there must be room.
    """
    day = by.astimezone(OSLO).date()
    if not now < by <= now + FURTHEST or not is_workday(department, day):
        raise PromiseNotPossible
    if availability.closed_until(by):
        raise PromiseNotPossible("The queue is closed then.")
    by = by.astimezone(UTC)
    promise = Promise(department.policy, by, by)
    if department.policy is Policy.DEADLINE:
        start = _window(department, now.astimezone(UTC), by).from_
        while end := availability.closed_until(start):
            start = end.astimezone(UTC)
        promise = replace(promise, from_=start)
    if availability.is_full(department, promise):
        raise PromiseNotPossible("It is full then.")
    return promise


def can_keep(department: Department, promise: Promise, now: datetime, availability: Availability) -> bool:
    """Whether a department can keep another's promise: it is ahead, on a day it calls, and the queue is not closed."""
    rings = is_workday(department, promise.by.astimezone(OSLO).date())
    return promise.by > now and rings and availability.closed_until(max(promise.from_, now)) is None


def promise_for(department: Department, now: datetime, availability: Availability = UNLIMITED) -> Promise:
    """Return the promise for someone who calls at `now`: the first that is not full and not while the queue is closed.

    The cutoff and the start of a round are too late: a caller at 10:00:00 is not promised the round at 10:00. A caller
    while the queue is closed, or whose promise would start while it is closed, is promised a time after that.
    """

    def after(moment: datetime) -> Promise:
        """Return the first that starts after `moment`."""
        promise = _by_the_hours(department, moment)
        if department.policy is Policy.ROUNDS:
            return promise
        return replace(promise, from_=max(promise.from_, moment + INSTANT))

    end = availability.closed_until(now)
    first = _by_the_hours(department, now) if end is None else after(end.astimezone(UTC) - INSTANT)
    return _first_available(department, first, after, availability)


def _first_available(
    department: Department, first: Promise, after: Callable[[datetime], Promise], availability: Availability
) -> Promise:
    """Return `first`, or the first one after it that is not full and does not start while the queue is closed."""
    promise, full = first, 0
    while True:
        if end := availability.closed_until(promise.from_):
            promise = after(end.astimezone(UTC) - INSTANT)
        elif availability.is_full(department, promise) and full < MOST_FULL:
            promise, full = after(promise.by), full + 1
        else:
            return promise


def after_unanswered(
    department: Department,
    callback_promise: Promise,
    previous_counted: Sequence[datetime],
    now: datetime,
    availability: Availability = UNLIMITED,
) -> NextStep:
    """Decide what an unanswered attempt at `now` leads to.

    `previous_counted`: when this callback's earlier counted attempts were made. A try before the promised time, outside
    the ringing hours, or too soon after a counted one, does not count: the patient is called again as promised. A
    promise stands even if the queue was closed after it was made. A new promise is not while the queue is closed, and
    where there is room.
    """
    early = now < callback_promise.from_ or not may_ring(department, now)
    if early or _too_soon(department, previous_counted, now):
        kept = callback_promise if callback_promise.by > now else promise_for(department, now, availability)
        return NextStep(counted=False, is_last=False, next_promise=kept)
    if len(previous_counted) + 1 >= department.max_attempts:
        return NextStep(counted=True, is_last=True, next_promise=None)
    promise = _promise_after_attempt(department, now, availability)
    return NextStep(counted=True, is_last=False, next_promise=promise)


def attempts_note(times: Sequence[datetime]) -> str:
    """Return a line to paste into the patient's record: «ringt x3: man 10:02, man 13:05, tir 10:01»."""
    if not times:
        return "ikke ringt"
    local = [moment.astimezone(OSLO) for moment in times]
    return f"ringt x{len(local)}: " + ", ".join(f"{SHORT_DAYS[when.weekday()]} {when:%H:%M}" for when in local)


SHORT_DAYS = ("man", "tir", "ons", "tor", "fre", "lør", "søn")


def _by_the_hours(department: Department, now: datetime) -> Promise:
    return _next_round(department, now) if department.policy is Policy.ROUNDS else _next_deadline(department, now)


def _next_deadline(department: Department, now: datetime) -> Promise:
    today = now.astimezone(OSLO).date()
    for day in _workdays(department, today):
        cutoff, answer_by = _hours(department, day)
        if day > today or now < _instant(day, cutoff):
            return _window(department, now.astimezone(UTC), _instant(day, answer_by))
    raise AssertionError("workdays never end")


def _next_round(department: Department, now: datetime) -> Promise:
    for day in _workdays(department, now.astimezone(OSLO).date()):
        for each in _rounds(department, day):
            start = _instant(day, each)
            if start > now:
                return Promise(Policy.ROUNDS, start, start)
    raise AssertionError("workdays never end")


def _promise_after_attempt(department: Department, now: datetime, availability: Availability) -> Promise:
    """Return the next round; or `min_spacing` from now if before the day's deadline, else the next workday's."""

    def after(moment: datetime) -> Promise:
        if department.policy is Policy.ROUNDS:
            return _next_round(department, moment)
        return _next_window(department, moment + INSTANT)

    if department.policy is Policy.ROUNDS:
        return _first_available(department, _next_round(department, now), after, availability)
    return _first_available(
        department, _next_window(department, now.astimezone(UTC) + department.min_spacing), after, availability
    )


def _next_window(department: Department, earliest: datetime) -> Promise:
    """Return the window from `earliest` until the deadline of that day, or of the next one with time left."""
    for day in _workdays(department, earliest.astimezone(OSLO).date()):
        _, answer_by = _hours(department, day)
        by = _instant(day, answer_by)
        if earliest < by:
            return _window(department, earliest, by)
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
    """Return the cutoff and deadline of that day."""
    half = department.half_days.get(day)
    cutoff = half.cutoff if half else department.cutoff
    answer_by = half.answer_by if half else department.answer_by
    if cutoff is None or answer_by is None:
        raise ValueError(f"department {department.slug} has the deadline policy and no cutoff or answer_by")
    return cutoff, answer_by


def _rounds(department: Department, day: date) -> tuple[time, ...]:
    half = department.half_days.get(day)
    return half.rounds if half else department.rounds


def _window(department: Department, earliest: datetime, by: datetime) -> Promise:
    """Return the window from `earliest` until `by`, but not before patients may be called that day.

    An earlier attempt keeps no promise.
    """
    opens = _instant(by.astimezone(OSLO).date(), department.ringing_hours[0])
    return Promise(Policy.DEADLINE, max(earliest, min(opens, by)), by)


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
    """Return the promise as the caller hears it: «i dag innen klokken 15», «tirsdag 30. mars klokken 10».

    A weekday alone is used up to six days ahead; after that the date is said. A language without words (nb, nn and en
    have them) falls back to the department's first.
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
    """Return 15 or 9.30 in Norwegian; 15:00 or 9:30 in English."""
    if words.clock == "english":
        return f"{when.hour}:{when.minute:02}"
    return f"{when.hour}.{when.minute:02}" if when.minute else f"{when.hour}"
