"""The callback: what a caller is waiting for. Pure: no storage, no clock, no telephony."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from desk.inquiries.model import ClosedReason, Priority, Status
from desk.messages.model import SmsState
from desk.numbers.identity_number import IdentityKind
from desk.numbers.phone_number import PhoneNumber
from desk.promises.model import DelayReason, Promise


class AttemptOutcome(StrEnum):
    """How one attempt ended. `DROPPED`: reached, but the line was cut off."""

    REACHED = "reached"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    VOICEMAIL = "voicemail"
    WRONG_NUMBER = "wrong_number"
    DROPPED = "dropped"


class IncompleteStep(StrEnum):
    """How far a caller had come when the line went dead before anything was registered."""

    WELCOME = "welcome"
    IDENTITY = "identity"
    PHONE = "phone"
    CONFIRMATION = "confirmation"
    QUESTIONS = "questions"


class WhyEnded(StrEnum):
    """Why a call ended before anything was registered.

    `NO_NUMBER`: there was none we could ring. `ANSWERED`: a simple question was, and no callback is wanted. `URGENT`:
    put through at once. `TROUBLE`: it was ours, and the switchboard took the caller.
    """

    HUNG_UP = "hung_up"
    ASKED_FOR_PERSON = "asked_for_person"
    NO_NUMBER = "no_number"
    ANSWERED = "answered"
    URGENT = "urgent"
    TROUBLE = "trouble"


UNANSWERED = frozenset({AttemptOutcome.NO_ANSWER, AttemptOutcome.BUSY, AttemptOutcome.VOICEMAIL})


@dataclass(frozen=True)
class CallKey:
    """One call: the Asterisk node it came in on, and its channel there. Registering is idempotent on it."""

    asterisk_id: str
    channel_id: str


@dataclass(frozen=True)
class Attempt:
    """One try to reach the patient. `counted` false: tried before the promised time, or too soon after the last."""

    at: datetime
    agent: str
    outcome: AttemptOutcome
    counted: bool
    note: str | None


@dataclass(frozen=True)
class Callback:
    """A callback as it stands. Times are aware UTC; the whole identity number is never in here.

    `fence` grows with each claim: whoever acts on a claim shows the value the claim gave.
    `version` grows with each change but a longer lease and the state of `sms`, the newest text to the patient.
    """

    id: str
    department: str
    status: Status
    priority: Priority
    phone: PhoneNumber
    patient_kind: IdentityKind | None
    patient_masked: str | None
    promise: Promise
    promise_spoken: str
    attempts: tuple[Attempt, ...]
    call_count: int
    language: str
    created_at: datetime
    claimed_by: str | None
    lease_until: datetime | None
    fence: int
    version: int
    closed_reason: ClosedReason | None
    note: str | None
    sms: SmsState | None = None
    has_recording: bool = False


@dataclass(frozen=True, kw_only=True)
class CallbackFilter:
    """Which callbacks a list is to hold; None is no wish. `due_before`: promised by that moment or earlier.

    `text` is looked for in the note, letter case aside. `ids` may be in the list, `other_than` may not.
    """

    status: Collection[Status] | None = None
    priority: Priority | None = None
    language: str | None = None
    due_before: datetime | None = None
    claimed_by: str | None = None
    text: str | None = None
    ids: Collection[str] | None = None
    other_than: Collection[str] | None = None


@dataclass(frozen=True)
class Registration:
    """What registering gave. `created` is false when the callback was there already (rung again, or a replay).

    `later`: why a new one is promised a later time than the department's hours alone would give.
    """

    callback: Callback
    created: bool
    later: DelayReason | None = None


@dataclass(frozen=True)
class RecordedCall:
    """One call that came in. `incomplete`: it ended at `step`, before a callback was registered, for the reason `why`.

    `why` is None for a registered call, and for those kept before reasons were.
    """

    id: int
    key: CallKey
    department: str
    at: datetime
    phone: PhoneNumber | None
    step: IncompleteStep | None
    incomplete: bool
    callback_id: str | None
    why: WhyEnded | None = None
