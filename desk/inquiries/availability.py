"""Every promise is given here: past closed times and what is full, found in the unit of work that gives it.

The rules in desk/promises/rules.py are told of closed times and capacity from here and nowhere else. What is stored
is a
`PromiseOffer`, which only this module makes: no one who promises can forget to ask.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from desk.database.engine import Connection
from desk.departments.departments import Department
from desk.inquiries import repository as rows
from desk.promises import repository as closures
from desk.promises.model import Availability, DelayReason, NextStep, Promise, PromiseOffer
from desk.promises.rules import after_unanswered, promise_by_hand, promise_for, stands


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
    connection: Connection,
    rules: Department,
    promise: Promise,
    counted: Sequence[datetime],
    now: datetime,
    *,
    excluding: str,
) -> tuple[NextStep, PromiseOffer | None]:
    """What an attempt that nobody answered leads to, and the new promise, where there is one."""
    _, room = await _room(connection, rules, now, excluding)
    step = after_unanswered(rules, promise, counted, now, room)
    anew = step.next_promise
    return step, PromiseOffer(anew) if anew and anew != promise else None


async def _room(
    connection: Connection, rules: Department, now: datetime, excluding: str | None
) -> tuple[Sequence[Any], Availability]:
    """The department's closures that are not over, and its room.

    Where it has a capacity, others who are promised something there wait for this unit of work to end: two at once do
    not both get the last place.
    """
    closed = await closures.ahead(connection, rules.slug, now)
    taken = {} if rules.capacity is None else await rows.promised(connection, rules.slug, now, excluding=excluding)
    return closed, Availability([(row.from_at, row.until_at) for row in closed], taken)
