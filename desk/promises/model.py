"""Promises and closures: what a caller is promised, why it is later than usual, and when a queue is closed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from desk.departments.departments import Department, Policy


@dataclass(frozen=True)
class Promise:
    """When we call back: at a round (`from_` == `by`), or within a window that closes at the deadline. Aware UTC."""

    policy: Policy
    from_: datetime
    by: datetime


class PromiseReason(StrEnum):
    """Why a promise was made."""

    REGISTERED = "registered"
    RANG_AGAIN = "rang_again"
    ATTEMPT = "attempt"
    REOPENED = "reopened"
    TRANSFERRED = "transferred"
    BY_AGENT = "by_agent"


class DelayReason(StrEnum):
    """Why a promise is later than the department's hours alone would give. It names the prompt that says so.

    The closed ones are a department's own words for a closure; operators may change each text.
    """

    CLOSED_TODAY = "closed_today"
    CLOSED_COURSE = "closed_course"
    CLOSED_ILLNESS = "closed_illness"
    QUEUE_FULL = "queue_full"


@dataclass(frozen=True)
class PromiseOffer:
    """A promise to make now. `later` is set when the queue is closed now, or earlier promises are full."""

    promise: Promise
    later: DelayReason | None = None


@dataclass(frozen=True)
class NextStep:
    """What follows an unanswered attempt.

    `counted`: whether it counts towards the department's limit. `is_last`: it was the last one the department makes.
    `next_promise`: the promise the callback then has, None after the last attempt.
    """

    counted: bool
    is_last: bool
    next_promise: Promise | None


LONGEST_CLOSURE: Final = timedelta(days=31)


@dataclass(frozen=True)
class Closure:
    """A time when a department's queue is closed. Anyone who calls then is promised a time after it."""

    id: int
    department: str
    from_: datetime
    until: datetime
    text: DelayReason


@dataclass(frozen=True)
class Availability:
    """What limits promises besides the department's hours.

    `closed`: times (from, until) when the queue is closed. `taken`: how many are promised for each moment.
    """

    closed: Sequence[tuple[datetime, datetime]] = ()
    taken: Mapping[datetime, int] = field(default_factory=lambda: MappingProxyType({}))

    def closed_until(self, moment: datetime) -> datetime | None:
        """When the queue opens again; None if it is open at that moment."""
        return max((until for from_, until in self.closed if from_ <= moment < until), default=None)

    def is_full(self, department: Department, promise: Promise) -> bool:
        """Whether the department has promised as many for that moment as it can keep."""
        return department.capacity is not None and self.taken.get(promise.by, 0) >= department.capacity


UNLIMITED: Final = Availability()
