"""What one callback or one call adds to the tallies. Pure: the same rows give the same counts, whenever it is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from desk.callbacks.model import AttemptOutcome, IncompleteStep
from desk.clock import OSLO
from desk.inquiries.model import Status
from desk.ledger.forecast import PromiseState, judge
from desk.promises.keeping import PromiseWindow, TimedAttempt
from desk.statistics.model import Count, Measure, bucket, count

MORNING: Final = time(8)
MOST_ATTEMPTS: Final = 5
"""Callbacks reached at a later attempt than this are counted together."""
LATER: Final = "later"
EARLY: Final = "early"
IN_LINE: Final = frozenset({Status.WAITING.value, Status.CLAIMED.value})
MONDAY: Final = 0


@dataclass(frozen=True)
class Event:
    """A row of a callback's history, with those of its details that are counted."""

    at: datetime
    department: str
    event: str
    to_status: str | None
    outcome: str | None = None
    in_hours: bool = False
    reason: str | None = None
    opens_hour: bool = False
    """Whether it is the agent's first attempt for the department in that hour."""


@dataclass(frozen=True)
class GivenPromise:
    """A promise as it was given."""

    department: str
    at: datetime
    reason: str
    window: PromiseWindow


@dataclass(frozen=True)
class CountedCallback:
    """What is counted of one callback: its history, oldest first, and its promises."""

    language: str
    topic: str | None
    priority: str
    events: Sequence[Event]
    promises: Sequence[GivenPromise]


@dataclass(frozen=True)
class CountedCall:
    """What is counted of one call. `followed`: the same number called again within ten minutes."""

    department: str
    at: datetime
    confirmed: bool
    step: str | None
    why: str | None
    prompts: str | None
    followed: bool


def counts_of_call(call: CountedCall) -> list[Count]:
    """Return what a call adds. One that is still on the line counts as a call, and as nothing else yet."""
    prompts = call.prompts or ""

    def one(measure: Measure, detail: str = "") -> Count:
        return count(call.department, call.at, "", measure, detail)

    counts = [one(Measure.CALLS, prompts)]
    if call.confirmed:
        counts.append(one(Measure.CONFIRMED))
    elif call.why:
        counts.append(one(Measure.INCOMPLETE, f"{call.step}.{call.why}"))
    if call.confirmed or call.step not in (None, IncompleteStep.WELCOME.value):
        counts.append(one(Measure.KEYED, prompts))
        if call.followed:
            counts.append(one(Measure.AGAIN, prompts))
    return counts


def counts_of_callback(callback: CountedCallback, now: datetime) -> list[Count]:
    """Return what a callback adds, with the promises that are broken by `now`."""
    first = next((each for each in callback.events if each.event == "registered"), None)
    if first is None:
        return []
    language = callback.language

    def at_start(measure: Measure, detail: str = "") -> Count:
        return count(first.department, first.at, language, measure, detail)

    counts = [at_start(Measure.REGISTERED, callback.topic or ""), at_start(Measure.PRIORITY, callback.priority)]
    attempts = [each for each in callback.events if each.event == "attempt"]
    called = [each for each in attempts if each.in_hours]
    if called:
        counts.append(at_start(Measure.FIRST_ATTEMPT, bucket(called[0].at - first.at)))
        if called[0].at.astimezone(OSLO).date() == first.at.astimezone(OSLO).date():
            counts.append(at_start(Measure.SAME_DAY))
    for tries, each in enumerate(attempts, 1):
        if each.outcome == AttemptOutcome.REACHED.value:
            counts.append(count(each.department, each.at, language, Measure.REACHED, str(min(tries, MOST_ATTEMPTS))))
            counts.append(at_start(Measure.UNTIL_REACHED, bucket(each.at - first.at)))
            break
    for each in callback.events:
        counts += _of_event(each, language)
    for given in callback.promises:
        counts += _of_promise(given, callback.events, language, now)
    return counts + _mornings(callback)


def _of_event(event: Event, language: str) -> list[Count]:
    counts = []

    def one(measure: Measure, detail: str = "") -> None:
        counts.append(count(event.department, event.at, language, measure, detail))

    if event.event == "attempt":
        one(Measure.ATTEMPTS, event.outcome or "")
        if event.opens_hour:
            one(Measure.AGENT_HOURS)
    elif event.event == "rang_again":
        one(Measure.RANG_AGAIN)
    elif event.event.startswith("sms_"):
        one(Measure.SMS, event.event.removeprefix("sms_"))
    if event.to_status == Status.CLOSED.value:
        one(Measure.CLOSED, event.reason or "")
    elif event.to_status == Status.UNREACHABLE.value:
        one(Measure.UNREACHABLE)
    return counts


def _of_promise(given: GivenPromise, events: Sequence[Event], language: str, now: datetime) -> list[Count]:
    timed = [TimedAttempt(each.at, each.in_hours) for each in events if each.event == "attempt"]
    closed = [each.at for each in events if each.event == "closed"]
    state = judge(given.window, timed, closed, now)
    counts = [count(given.department, given.at, language, Measure.PROMISED, given.reason)]
    if state is PromiseState.KEPT:
        counts.append(count(given.department, given.window.due, language, Measure.KEPT))
    elif state is PromiseState.BROKEN:
        counts.append(count(given.department, given.window.due, language, Measure.BROKEN))
    elif state is PromiseState.WITHDRAWN:
        reached = AttemptOutcome.REACHED.value
        window = given.window
        early = any(each.outcome == reached and window.made <= each.at <= window.due for each in events)
        detail = EARLY if early else ""
        counts.append(count(given.department, given.window.due, language, Measure.WITHDRAWN, detail))
    return counts


def _mornings(callback: CountedCallback) -> list[Count]:
    """Count the Monday mornings at which the callback was in the line, and when it left the line.

    It leaves by an attempt, by being closed, and by a transfer. A morning counts when it has left.
    """
    counts: list[Count] = []
    entered: datetime | None = None
    department = ""
    for each in callback.events:
        if entered is not None and _leaves(each):
            counts += _between(department, entered, each.at, callback.language)
            entered = None
        if entered is None and (each.to_status in IN_LINE or each.event == "transferred_in"):
            entered, department = each.at, each.department
    return counts


def _leaves(event: Event) -> bool:
    out = (Status.CLOSED.value, Status.UNREACHABLE.value)
    return event.event in ("attempt", "transferred_out") or event.to_status in out


def _between(department: str, entered: datetime, left: datetime, language: str) -> list[Count]:
    counts = []
    day: date = entered.astimezone(OSLO).date()
    gone = left.astimezone(OSLO)
    while day <= gone.date():
        eight = datetime.combine(day, MORNING, OSLO).astimezone(UTC)
        if entered <= eight < left and day.weekday() == MONDAY:
            quarter = f"{gone.hour:02d}:{gone.minute // 15 * 15:02d}" if gone.date() == day else LATER
            counts.append(count(department, eight, language, Measure.MORNING, f"{day} {quarter}"))
        day += timedelta(days=1)
    return counts
