"""The callback: what a caller is waiting for. Pure: no storage, no clock, no telephony."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from desk.callbacks.errors import CallbackNotFound
from desk.ids import CallbackId, InquiryId, new_callback_id
from desk.inquiries.model import Inquiry, Kind, Priority, Status
from desk.messages.model import Recipient, SmsState
from desk.numbers.identity_number import IdentityKind, IdentityNumber
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
    """The step of the conversation at which a call ended before anything was registered."""

    WELCOME = "welcome"
    IDENTITY = "identity"
    PHONE = "phone"
    CONFIRMATION = "confirmation"
    QUESTIONS = "questions"


class WhyEnded(StrEnum):
    """Why a call ended before anything was registered.

    `NO_NUMBER`: there was no number we can call. `ANSWERED`: a recorded answer was enough. `URGENT`: the call was put
    through at once. `TROUBLE`: we failed, and the switchboard took the call. `LOST`: the phone door or Asterisk stopped
    during the call, so no one knows how it ended. `CROWDED`: more callers than the phone door serves at once.
    `FAX`: a fax machine's tone was heard, and no key pressed.
    """

    HUNG_UP = "hung_up"
    ASKED_FOR_PERSON = "asked_for_person"
    NO_NUMBER = "no_number"
    ANSWERED = "answered"
    URGENT = "urgent"
    TROUBLE = "trouble"
    LOST = "lost"
    CROWDED = "crowded"
    FAX = "fax"


class CallFollowUp(StrEnum):
    """How someone dealt with an incomplete call. `BOOKED`: a callback was made of it."""

    BOOKED = "booked"
    REACHED = "reached"
    NOT_NEEDED = "not_needed"
    DUPLICATE = "duplicate"
    OTHER = "other"


UNANSWERED = frozenset({AttemptOutcome.NO_ANSWER, AttemptOutcome.BUSY, AttemptOutcome.VOICEMAIL})


def callback_id(text: str) -> CallbackId:
    """Read an id in any of the forms a UUID is written in. Raises CallbackNotFound for text that is not an id."""
    try:
        return CallbackId(InquiryId(str(UUID(text))))
    except ValueError:
        raise CallbackNotFound from None


@dataclass(frozen=True)
class CallKey:
    """Identifies a call: the Asterisk node it came in on, and its channel there. Registering is idempotent on it."""

    asterisk_id: str
    channel_id: str


@dataclass(frozen=True)
class Attempt:
    """One try to reach the patient. It is not `counted` before the promised time, or too soon after the last one."""

    at: datetime
    agent: str
    outcome: AttemptOutcome
    counted: bool
    note: str | None


@dataclass(frozen=True, kw_only=True)
class Callback(Inquiry):
    """An inquiry that is answered by calling back.

    Attempts before `attempts_from` no longer count. `sms` is the state of the newest text to the patient; a change of
    it does not change the `version`. `identity_doubtful`: an agent asks who it is, because the keys could have meant
    another person. `others_on_phone`: how many other callbacks to the same number were open in the department
    when this one was added.
    """

    id: CallbackId
    kind: Kind = Kind.CALLBACK
    phone: PhoneNumber
    attempts: tuple[Attempt, ...]
    attempts_from: datetime
    call_count: int
    sms: SmsState | None = None
    has_recording: bool = False
    others_on_phone: int = 0
    added_phone: str | None = field(default=None, repr=False)
    identity_doubtful: bool = False

    @property
    def counted(self) -> list[datetime]:
        """When the attempts that count were made, oldest first."""
        return [each.at for each in self.attempts if each.counted and each.at >= self.attempts_from]

    @property
    def recipient(self) -> Recipient:
        """The patient, for texts about this callback."""
        return Recipient(self.id, self.phone, self.language, self.promise)

    def with_sms(self, state: SmsState | None) -> "Callback":
        """The same callback with this state of its newest text; None leaves it as it is."""
        return replace(self, sms=state) if state else self


def new_callback(
    department: str,
    patient: IdentityNumber | None,
    phone: PhoneNumber,
    promise: Promise,
    promise_spoken: str,
    *,
    language: str,
    at: datetime,
) -> Callback:
    """Make a callback that waits and is not in the database yet."""
    return Callback(
        id=new_callback_id(),
        department=department,
        status=Status.WAITING,
        priority=Priority.NORMAL,
        phone=phone,
        patient_kind=patient.kind if patient else None,
        patient_masked=patient.masked if patient else None,
        identity_doubtful=patient is not None and patient.doubtful,
        promise=promise,
        promise_spoken=promise_spoken,
        attempts=(),
        attempts_from=at,
        call_count=1,
        language=language,
        created_at=at,
        claimed_by=None,
        lease_until=None,
        fence=0,
        version=1,
        closed_reason=None,
        note=None,
    )


def subject_key(patient_index: bytes | None, phone: PhoneNumber) -> bytes:
    """Whose callback it is: the person's index, or without a person the phone. At most one is open in a department."""
    return patient_index or phone.e164.encode()


@dataclass(frozen=True)
class RegistrationResult:
    """The caller's callback. `created` is false when it was open already, or when the same call registers again.

    `later`: why a new callback is promised a later time than the department's hours alone would give. `spooled`: it is
    on disk, but not in the database yet, and its id will be another.
    """

    callback: Callback
    created: bool
    later: DelayReason | None = None
    spooled: bool = False


@dataclass(frozen=True)
class RecordedCall:
    """A call that came in. `incomplete`: no callback was registered in it. It ended at `step`, for the reason `why`;
    both are None while the caller is on the line.

    The patient is the person whose identity number was keyed in an incomplete call; the whole number is not in here.
    `follow_up`: how someone dealt with an incomplete call; None: no one has. `led_to`: the callback made of it.
    """

    id: int
    key: CallKey
    department: str
    at: datetime
    phone: PhoneNumber | None
    step: IncompleteStep | None
    incomplete: bool
    callback_id: CallbackId | None
    why: WhyEnded | None = None
    patient_kind: IdentityKind | None = None
    patient_masked: str | None = None
    follow_up: CallFollowUp | None = None
    led_to: CallbackId | None = None
