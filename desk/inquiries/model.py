"""The states of an inquiry and the transitions between them. Pure.

`TRANSITIONS` is the only table of transitions and `next_status` the only function that makes one.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from desk.inquiries.errors import IllegalMove


class Status(StrEnum):
    """The state of an inquiry."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    UNREACHABLE = "unreachable"
    CLOSED = "closed"


class ClosedReason(StrEnum):
    """Why an inquiry was closed."""

    REACHED = "reached"
    CANCELLED_BY_CALLER = "cancelled_by_caller"
    UNREACHABLE = "unreachable"
    WRONG_NUMBER = "wrong_number"
    DUPLICATE = "duplicate"
    OTHER = "other"


class Priority(StrEnum):
    """Urgent inquiries are claimed before all normal ones."""

    URGENT = "urgent"
    NORMAL = "normal"


TRANSITIONS: Final[Mapping[Status, frozenset[Status]]] = {
    Status.WAITING: frozenset({Status.CLAIMED, Status.CLOSED}),
    Status.CLAIMED: frozenset({Status.WAITING, Status.UNREACHABLE, Status.CLOSED}),
    Status.UNREACHABLE: frozenset({Status.WAITING, Status.CLOSED}),
    Status.CLOSED: frozenset({Status.WAITING}),
}


def next_status(current: Status, to: Status) -> Status:
    """Return `to` if the transition from `current` is allowed. Raises IllegalMove."""
    if to not in TRANSITIONS[current]:
        raise IllegalMove(f"{current} -> {to}")
    return to
