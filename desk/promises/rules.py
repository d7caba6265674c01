"""What a caller is promised, and what an unanswered attempt leads to. Pure: department rules and `now` in, answer out.

Hours are wall time in Europe/Oslo, instants are aware UTC. Workdays are Monday to Friday less Norwegian public
holidays and the department's own closed days.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from desk.clock import OSLO
from desk.departments.calendar import is_workday
from desk.departments.departments import Department, Policy
from desk.promises.errors import PromiseNotPossible
from desk.promises.model import UNLIMITED, Availability, NextStep, Promise

OPENS = time(8)
"""When a department starts ringing on a day that begins with promises already given (deadline policy)."""


FURTHEST = timedelta(days=62)
"""How far ahead an agent may promise."""

MOST_FULL: Final = 250
"""Promises looked at. When all of them are full the last one takes one more: nobody is turned away."""

INSTANT: Final = timedelta(microseconds=1)


def due(department: Department, promise: Promise) -> datetime:
    """Until when ringing keeps the promise: the deadline itself, or the end of the promised round."""
    return promise.by + department.round_length if promise.policy is Policy.ROUNDS else promise.by


def promise_by_hand(department: Department, by: datetime, now: datetime, room: Availability = UNLIMITED) -> Promise:
    """The promise an agent gives: by that moment, or in rounds at it. Raises PromiseNotPossible.

    It lies ahead, within two months, on a day the department rings, in no closed time, and there is room for it.
    """
    day = by.astimezone(OSLO).date()
    if not now < by <= now + FURTHEST or not is_workday(department, day):
        raise PromiseNotPossible
    if room.closed_until(by):
        raise PromiseNotPossible("The queue is closed then.")
    by = by.astimezone(UTC)
    promise = Promise(department.policy, by, by)
    if department.policy is Policy.DEADLINE:
        begins = max(now.astimezone(UTC), min(_instant(day, OPENS), by))
        while end := room.closed_until(begins):
            begins = end.astimezone(UTC)
        promise = replace(promise, from_=begins)
    if room.is_full(department, promise):
        raise PromiseNotPossible("It is full then.")
    return promise


def can_keep(department: Department, promise: Promise, now: datetime, room: Availability) -> bool:
    """Whether a department can keep a promise that another gave: ahead, on a day it rings, in no closed time."""
    rings = is_workday(department, promise.by.astimezone(OSLO).date())
    return promise.by > now and rings and room.closed_until(max(promise.from_, now)) is None


def promise_for(department: Department, now: datetime, room: Availability = UNLIMITED) -> Promise:
    """The promise for someone who rings at `now`, past closed times and what is full.

    The cutoff and the start of a round are too late: who rings at 10:00:00 is not promised the round at 10:00. Who
    rings in a closed time, or would be rung from a moment in one, is promised what follows it.
    """

    def after(moment: datetime) -> Promise:
        """The first one that begins later than `moment`; in the morning not before a department begins to ring."""
        promise = _by_the_hours(department, moment)
        if department.policy is Policy.ROUNDS:
            return promise
        by = promise.by.astimezone(OSLO)
        return replace(promise, from_=max(promise.from_, moment + INSTANT, _opening(by.date(), by.time())))

    end = room.closed_until(now)
    first = _by_the_hours(department, now) if end is None else after(end.astimezone(UTC) - INSTANT)
    return _with_room(department, first, after, room)


def _with_room(
    department: Department, first: Promise, after: Callable[[datetime], Promise], room: Availability
) -> Promise:
    """`first`, or the first one after it that begins in no closed time and is not full."""
    promise, full = first, 0
    while True:
        if end := room.closed_until(promise.from_):
            promise = after(end.astimezone(UTC) - INSTANT)
        elif room.is_full(department, promise) and full < MOST_FULL:
            promise, full = after(promise.by), full + 1
        else:
            return promise


def after_unanswered(
    department: Department,
    callback_promise: Promise,
    previous_counted: Sequence[datetime],
    now: datetime,
    room: Availability = UNLIMITED,
) -> NextStep:
    """What an attempt at `now` that nobody answered leads to.

    `previous_counted` are the times of this callback's earlier counted attempts. A try before the promised time, or
    too soon after a counted one, does not count: the patient is rung again as promised. What was promised stands, also
    where the queue was closed since; a new promise lies in no closed time, and where there is room.
    """
    if now < callback_promise.from_ or _too_soon(department, previous_counted, now):
        kept = callback_promise if callback_promise.by > now else promise_for(department, now, room)
        return NextStep(counted=False, is_last=False, next_promise=kept)
    if len(previous_counted) + 1 >= department.max_attempts:
        return NextStep(counted=True, is_last=True, next_promise=None)
    anew = _promise_after_attempt(department, now, room)
    return NextStep(counted=True, is_last=False, next_promise=anew)


def attempts_note(times: Sequence[datetime]) -> str:
    """A line to paste into the patient's record: «ringt x3: man 10:02, man 13:05, tir 10:01»."""
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


def _promise_after_attempt(department: Department, now: datetime, room: Availability) -> Promise:
    """The next round; or `min_spacing` from now if that is before the day's deadline, else the next workday's."""

    def after(moment: datetime) -> Promise:
        if department.policy is Policy.ROUNDS:
            return _next_round(department, moment)
        return _next_window(department, moment + INSTANT)

    if department.policy is Policy.ROUNDS:
        return _with_room(department, _next_round(department, now), after, room)
    return _with_room(department, _next_window(department, now.astimezone(UTC) + department.min_spacing), after, room)


def _next_window(department: Department, earliest: datetime) -> Promise:
    """From `earliest` on, until the deadline of that day or of the next one with time left."""
    for day in _workdays(department, earliest.astimezone(OSLO).date()):
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
