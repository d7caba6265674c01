"""Callbacks, and the requests that move them through the queue."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from api.schemas.fields import MAX_LIMIT, WHOLE, Body, Fence, Moment, Note, Slug
from desk.callbacks.model import Attempt, AttemptOutcome, Callback
from desk.database.pages import Page
from desk.inquiries.model import ClosedReason, Priority, Status
from desk.messages.model import SmsState
from desk.numbers.identity_number import IdentityKind, IdentityNumber


class ReleaseIn(Body):
    fence: Fence


class AttemptIn(Body):
    fence: Fence
    outcome: AttemptOutcome
    note: Note | None = None


class CloseIn(Body):
    reason: ClosedReason
    fence: Fence | None = Field(default=None, description="Required when the callback is claimed.")
    note: Note | None = None


class PatientOut(BaseModel):
    """The patient with a masked identity number; GET /callbacks/{id}/patient has the whole one."""

    kind: IdentityKind
    masked: str = Field(examples=["010150*****"])

    @classmethod
    def of(cls, kind: IdentityKind | None, masked: str | None) -> Self | None:
        return None if kind is None or masked is None else cls(kind=kind, masked=masked)


class PromiseOut(BaseModel):
    """When the caller was promised a call. `from` equals `by` in departments that call at fixed times."""

    model_config = ConfigDict(validate_by_name=True)

    from_: Annotated[datetime, Field(alias="from")]
    by: datetime
    spoken: str = Field(examples=["i dag innen klokken 15"])


class AttemptOut(BaseModel):
    at: datetime
    agent: str
    outcome: AttemptOutcome
    counted: bool = Field(
        description="False before the promised time, or too soon after another attempt: the promise stands."
    )
    note: str | None

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        return cls(
            at=attempt.at,
            agent=attempt.agent,
            outcome=attempt.outcome,
            counted=attempt.counted,
            note=attempt.note,
        )


class CallbackOut(BaseModel):
    id: str
    department: str
    status: Status
    priority: Priority
    phone: str = Field(examples=["+4768050001"])
    added_phone: str | None = Field(
        description="A number given on another phone than this one: judge it, it may be a stranger's."
    )
    patient: PatientOut | None
    identity_doubtful: bool = Field(
        description="The caller's keys could have meant another person than `patient`: ask who it is before you look "
        "in a record. A second call with the same number and no slip removes the doubt."
    )
    promise: PromiseOut
    attempts: list[AttemptOut]
    others_on_phone: int = Field(
        description="How many other callbacks to this number were open in the department when this one came. A family "
        "may share a phone; from 2 on, check who it is before you call."
    )
    suspected: bool = Field(
        description="Part of a flood of first-time callers. It takes no place of others: see `POST "
        "/departments/{slug}/flood/close`."
    )
    call_count: int = Field(description="How many times the patient has called while this was open.")
    language: str
    created_at: datetime
    claimed_by: str | None
    lease_until: datetime | None
    version: int
    closed_reason: ClosedReason | None
    note: str | None
    topic: str | None = Field(description="Key of a topic of the department, chosen by an agent.")
    sms: SmsState | None = Field(
        description="State of the newest text message to the patient. After `failed` or `expired` the patient was not "
        "notified. It changes without a new `version`; each change is an event `sms_…`."
    )
    has_recording: bool = Field(description="Whether the caller left a recorded reason: GET /callbacks/{id}/recording.")

    @classmethod
    def of(cls, callback: Callback, **more: int | str) -> Self:
        """Build it; `more` holds the fields that a subclass adds."""
        patient = PatientOut.of(callback.patient_kind, callback.patient_masked)
        return cls(
            id=callback.id,
            department=callback.department,
            status=callback.status,
            priority=callback.priority,
            phone=callback.phone.e164,
            added_phone=callback.added_phone,
            patient=patient,
            identity_doubtful=callback.identity_doubtful,
            promise=PromiseOut(from_=callback.promise.from_, by=callback.promise.by, spoken=callback.promise_spoken),
            attempts=[AttemptOut.of(attempt) for attempt in callback.attempts],
            others_on_phone=callback.others_on_phone,
            suspected=callback.suspected,
            call_count=callback.call_count,
            language=callback.language,
            created_at=callback.created_at,
            claimed_by=callback.claimed_by,
            lease_until=callback.lease_until,
            version=callback.version,
            closed_reason=callback.closed_reason,
            note=callback.note,
            topic=callback.topic,
            sms=callback.sms,
            has_recording=callback.has_recording,
            **more,
        )


class ClaimedCallback(CallbackOut):
    fence: int = Field(description="Proof of your claim: send it with attempts, release and close.")


class AttemptedCallback(CallbackOut):
    next: str = Field(
        description="The next step, in Norwegian.",
        examples=["ringes igjen i dag klokken 13", "ikke nådd, ringt x3: man 10:02, man 13:05, tir 10:01"],
    )


class CallbackPage(BaseModel):
    items: list[CallbackOut]
    next_cursor: str | None = Field(description="Send it as `cursor` to get the next page; null on the last page.")

    @classmethod
    def of(cls, page: Page[Callback]) -> Self:
        return cls(items=[CallbackOut.of(each) for each in page.items], next_cursor=page.next_cursor)


class ClaimedCallbacks(BaseModel):
    items: list[ClaimedCallback]


class FullPatientOut(BaseModel):
    kind: IdentityKind
    number: str = Field(description="The whole national identity number. Reading it has been recorded.")

    @classmethod
    def of(cls, patient: IdentityNumber) -> Self:
        return cls(kind=patient.kind, number=patient.value)


class ClaimIn(Body):
    department: Slug
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT), WHOLE] = 1
    due_before: Moment | None = Field(
        default=None, description="Only callbacks promised by this time: claim a round by the time it starts."
    )


class ExtendIn(Body):
    fence: Fence


class ReopenIn(Body):
    cut_off: StrictBool = Field(
        default=False, description="The call was cut off: the callback goes first in the queue."
    )
