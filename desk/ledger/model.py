"""What the ledger of promises shows: promises with their outcome, warnings, and the queue of a department. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from desk.database.pages import Page
from desk.ids import CallbackId
from desk.inquiries.model import Priority, Status
from desk.ledger.forecast import PromiseState, is_at_risk
from desk.messages.model import NOT_DELIVERED, SmsState
from desk.promises.keeping import PromiseWindow
from desk.promises.model import Promise, PromiseReason


@dataclass(frozen=True)
class PromiseRecord:
    """A promise as it was made. `department` made it."""

    id: int
    callback_id: CallbackId
    department: str
    promise: Promise
    spoken: str
    reason: PromiseReason
    window: PromiseWindow


@dataclass(frozen=True)
class QueuedCallback:
    """A callback that waits or is claimed."""

    id: CallbackId
    status: Status
    priority: Priority
    promise: Promise
    not_before: datetime | None
    created_at: datetime
    claimed_by: str | None
    lease_until: datetime | None
    identified: bool
    with_note: bool


@dataclass(frozen=True)
class PromiseWarning:
    """A warning to the leader. `predicted_at`: when the call would have been made; None when no agent was on duty."""

    id: int
    at: datetime
    promise_id: int
    callback_id: CallbackId
    department: str
    due: datetime
    predicted_at: datetime | None


@dataclass(frozen=True)
class Outlook:
    """A department's queue and its forecast. `predicted`: when each callback in it will probably be called."""

    now: datetime
    queue: Sequence[QueuedCallback]
    agents: int
    handling: timedelta
    predicted: Mapping[str, datetime]

    @property
    def clear_at(self) -> datetime | None:
        """When the last in the queue will have been called, by one agent if none is on duty. None if it is empty."""
        return max(self.predicted.values()) + self.handling if self.predicted else None

    def at_risk(self, callback_id: CallbackId, due: datetime) -> bool:
        """Whether a promise of that callback, due at that time, will probably be broken."""
        return is_at_risk(due, self.predicted.get(callback_id), self.agents)


@dataclass(frozen=True)
class JudgedPromise:
    """A promise and its state. `predicted_at`: when the call will probably be made, while the promise is open.

    `sms`: the state of the text about it; None if there is none.
    """

    record: PromiseRecord
    state: PromiseState
    kept_at: datetime | None
    predicted_at: datetime | None
    sms: SmsState | None

    @property
    def text_missed(self) -> bool:
        """Whether it is still to be kept, and its text never came to the patient."""
        return self.sms in NOT_DELIVERED and self.state in (PromiseState.OPEN, PromiseState.AT_RISK)


@dataclass(frozen=True)
class DepartmentPromises:
    """One page of a department's promises by due time. `counts` are of all of them, by state.

    `texts_missed` counts the promises still to be kept whose text never came to the patient.
    """

    outlook: Outlook
    page: Page[JudgedPromise]
    counts: Mapping[PromiseState, int]
    texts_missed: int


@dataclass(frozen=True)
class IntakeGroup:
    """Waiting callbacks of one priority and kind: with an identity number or without, with a note or without."""

    priority: Priority
    identified: bool
    with_note: bool
    waiting: int
    oldest: datetime
    first_due: datetime


@dataclass(frozen=True)
class Deadline:
    """Callbacks promised by one moment: how many wait, and how many of them will probably be late."""

    by: datetime
    waiting: int
    at_risk: int


@dataclass(frozen=True)
class Intake:
    """What has come in and still waits: groups in the order they are called, and the deadlines ahead."""

    outlook: Outlook
    groups: Sequence[IntakeGroup]
    deadlines: Sequence[Deadline]
