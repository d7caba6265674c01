"""Room for one more: the next promise past closed times and full rounds, found in the unit of work that gives it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from desk.departments import Department
from desk.promises import Promise, promise_for, promise_past
from desk.storage import closures
from desk.storage.database import Connection

LONGEST_CLOSURE = timedelta(days=31)
FURTHEST = 250
"""Rounds looked at. When all of them are full the last one takes one more: nobody is turned away."""


class Later(StrEnum):
    """Why a caller is promised a later time than the hours alone would give: the prompt that tells it.

    The closed ones are a department's own words for a closure; operators may change each text.
    """

    CLOSED_TODAY = "closed_today"
    CLOSED_COURSE = "closed_course"
    CLOSED_ILLNESS = "closed_illness"
    QUEUE_FULL = "queue_full"


CLOSURE_TEXTS = (Later.CLOSED_TODAY, Later.CLOSED_COURSE, Later.CLOSED_ILLNESS)


@dataclass(frozen=True)
class Closure:
    """A department's queue closed from an instant until another: who rings then is promised what follows."""

    id: int
    department: str
    from_: datetime
    until: datetime
    text: Later


@dataclass(frozen=True)
class Given:
    """A promise to give now. `later` is set when the queue is closed now, or what came before is full."""

    promise: Promise
    later: Later | None


async def next_promise(connection: Connection, rules: Department, now: datetime) -> Given:
    """The first promise that is open and has room.

    Where the department has a capacity, others who are promised something there wait for this unit of work to end: two
    at once do not both get the last place.
    """
    rows = await closures.ahead(connection, rules.slug, now)
    if not rows and rules.capacity is None:
        return Given(promise_for(rules, now), None)
    closed = [(row.from_at, row.until_at) for row in rows]
    later = next((Later(row.text) for row in rows if row.from_at <= now), None)
    promise = promise_past(rules, now, closed)
    if rules.capacity is not None:
        taken = await closures.promised(connection, rules.slug, now)
        for _ in range(FURTHEST):
            if taken.get(promise.by, 0) < rules.capacity:
                break
            later = later or Later.QUEUE_FULL
            promise = promise_past(rules, promise.by, closed)
    return Given(promise, later)
