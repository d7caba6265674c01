"""The inquiry: anything that waits for an answer; its states and the transitions between them. Pure.

`TRANSITIONS` is the only table of transitions and `next_status` the only function that makes one.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from desk.ids import InquiryId
from desk.inquiries.errors import IllegalMove
from desk.numbers.identity_number import IdentityKind
from desk.promises.model import Promise

LONGEST_LEASE: Final = timedelta(hours=6)
"""A claim that lasts longer than this from now was made by a clock that was ahead, and holds nothing."""


class Kind(StrEnum):
    """The channel that an inquiry came by."""

    CALLBACK = "callback"


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


@dataclass(frozen=True, kw_only=True)
class Inquiry:
    """What every channel shares. Times are aware UTC. The whole identity number is never in here.

    `fence` grows with each claim; an agent who acts on a claim shows the value the claim gave.
    `suspected`: part of a flood of first-time callers, so its promise takes no place of others.
    `version` grows with each change, except a longer lease. `topic` is a key of the department's topics: an agent
    chooses it. `patient_index` finds other inquiries of the same person.
    """

    id: InquiryId
    kind: Kind
    department: str
    status: Status
    priority: Priority
    patient_kind: IdentityKind | None
    patient_masked: str | None
    patient_index: bytes | None = field(default=None, repr=False)
    promise: Promise
    promise_spoken: str
    language: str
    created_at: datetime
    claimed_by: str | None
    lease_until: datetime | None
    fence: int
    version: int
    closed_reason: ClosedReason | None
    note: str | None
    first_time: bool = field(default=False, repr=False)
    suspected: bool = False
    topic: str | None = None


@dataclass(frozen=True, kw_only=True)
class InquiryFilter:
    """Which inquiries a list shows; None filters nothing. `due_before`: promised by that moment or earlier.
    An empty `topic` is that of inquiries without one. `closed_for`: only these reasons, of the inquiries that are
    closed. `changed_since` and `changed_before` are about the newest change of the `version`.

    `text` is searched for in the note, ignoring case. Only `ids` are shown, and none of `other_than`.
    """

    status: Collection[Status] | None = None
    priority: Priority | None = None
    language: str | None = None
    due_before: datetime | None = None
    claimed_by: str | None = None
    topic: str | None = None
    text: str | None = None
    suspected: bool | None = None
    closed_for: Collection[ClosedReason] | None = None
    changed_since: datetime | None = None
    changed_before: datetime | None = None
    ids: Collection[str] | None = None
    other_than: Collection[str] | None = None
