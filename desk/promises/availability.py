"""Every promise is given here: past closed times and what is full, found in the unit of work that gives it.

The rules in desk/promises/rules.py are told of closed times and capacity from here and nowhere else. What is stored
is a
`PromiseOffer`, which only this module makes: no one who promises can forget to ask.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from desk.callbacks.model import Callback
from desk.database.engine import Connection
from desk.departments.departments import Department
from desk.promises import closures_repository as closures
from desk.promises.rules import Availability, NextStep, Promise, after_unanswered, promise_by_hand, promise_for, stands

LONGEST_CLOSURE = timedelta(days=31)


class DelayReason(StrEnum):
    """Why a caller is promised a later time than the hours alone would give: the prompt that tells it.

    The closed ones are a department's own words for a closure; operators may change each text.
    """

    CLOSED_TODAY = "closed_today"
    CLOSED_COURSE = "closed_course"
    CLOSED_ILLNESS = "closed_illness"
    QUEUE_FULL = "queue_full"


CLOSURE_TEXTS = (DelayReason.CLOSED_TODAY, DelayReason.CLOSED_COURSE, DelayReason.CLOSED_ILLNESS)


@dataclass(frozen=True)
class Closure:
    """A department's queue closed from an instant until another: who rings then is promised what follows."""

    id: int
    department: str
    from_: datetime
    until: datetime
    text: DelayReason


@dataclass(frozen=True)
class PromiseOffer:
    """A promise to give now. `later` is set when the queue is closed now, or what came before is full."""

    promise: Promise
    later: DelayReason | None = None


async def next_promise(
    connection: Connection, rules: Department, now: datetime, *, excluding: str | None = None
) -> PromiseOffer:
    """The first promise that is open and has room. `excluding`: the callback it is for, if it has a place already."""
    closures_ahead, room = await _room(connection, rules, now, excluding)
    promise = promise_for(rules, now, room)
    later = next((DelayReason(row.text) for row in closures_ahead if row.from_at <= now), None)
    if later is None and promise != promise_for(rules, now, Availability(room.closed)):
        later = DelayReason.QUEUE_FULL
    return PromiseOffer(promise, later)


async def promise_at(
    connection: Connection, rules: Department, by: datetime, now: datetime, *, excluding: str
) -> PromiseOffer:
    """The promise an agent gives the callback `excluding` by hand. Raises PromiseNotPossible."""
    _, room = await _room(connection, rules, now, excluding)
    return PromiseOffer(promise_by_hand(rules, by, now, room))


async def taken_over(
    connection: Connection, rules: Department, promise: Promise, now: datetime, *, excluding: str
) -> tuple[PromiseOffer, bool]:
    """Another department's promise and True, where this one can keep it; else a new one and False.

    It is kept where all is promised, too: the patient has heard it.
    """
    _, room = await _room(connection, rules, now, excluding)
    if stands(rules, promise, now, room):
        return PromiseOffer(promise), True
    return await next_promise(connection, rules, now, excluding=excluding), False


async def unanswered(
    connection: Connection, rules: Department, callback: Callback, counted: Sequence[datetime], now: datetime
) -> tuple[NextStep, PromiseOffer | None]:
    """What an attempt that nobody answered leads to, and the new promise, where there is one."""
    _, room = await _room(connection, rules, now, callback.id)
    step = after_unanswered(rules, callback.promise, counted, now, room)
    anew = step.next_promise
    return step, PromiseOffer(anew) if anew and anew != callback.promise else None


async def _room(
    connection: Connection, rules: Department, now: datetime, excluding: str | None
) -> tuple[Sequence[Any], Availability]:
    """The department's closures that are not over, and its room.

    Where it has a capacity, others who are promised something there wait for this unit of work to end: two at once do
    not both get the last place.
    """
    rows = await closures.ahead(connection, rules.slug, now)
    taken = {} if rules.capacity is None else await closures.promised(connection, rules.slug, now, excluding=excluding)
    return rows, Availability([(row.from_at, row.until_at) for row in rows], taken)
