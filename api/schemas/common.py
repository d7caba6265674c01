"""What goes over the wire: names as in docs/api.md, times RFC 3339 in UTC with Z, phone numbers E.164."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.web.text import PLAIN_TEXT
from desk.access.agent import Agent
from desk.access.permissions import Grant, Role
from desk.callbacks.model import Attempt, AttemptOutcome, Callback, IncompleteStep, RecordedCall, WhyEnded
from desk.database.pages import Page
from desk.departments.departments import Department, Policy
from desk.history.model import HistoryRow
from desk.inquiries.model import ClosedReason, Priority, Status
from desk.messages.model import SmsState
from desk.numbers.identity_number import IdentityKind, IdentityNumber, holds_identity
from desk.promises.model import Closure

MAX_LIMIT = 200
MAX_NOTE = 1000
BIGGEST_FENCE = 2**31 - 1


SLUG = "^[a-z0-9-]+$"

Note = Annotated[
    str, Field(max_length=MAX_NOTE, pattern=PLAIN_TEXT, description="Free text. Keep patient data in the record.")
]
Slug = Annotated[str, Field(max_length=64, pattern=SLUG, description="A department, as in GET /departments.")]
Fence = Annotated[int, Field(ge=0, le=BIGGEST_FENCE, description="The `fence` your claim was answered with.")]


class Body(BaseModel):
    """A request body: a field it does not know is refused, so that a misspelt one is not lost silently.

    So is a text with an identity number in it, but in a field named `identity`: texts are stored as they are.
    """

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="after")
    def _names_nobody(self) -> Self:
        for name, value in self.__dict__.items():
            if name != "identity" and isinstance(value, str) and holds_identity(value):
                raise ValueError("an identity number doesn't belong in a text")
        return self


class ReleaseIn(Body):
    fence: Fence


class AttemptIn(Body):
    fence: Fence
    outcome: AttemptOutcome
    note: Note | None = None


class CloseIn(Body):
    reason: ClosedReason
    fence: Fence | None = Field(default=None, description="Needed when the callback is claimed.")
    note: Note | None = None


class PatientOut(BaseModel):
    """Who, without the digits that identify: those are behind GET /callbacks/{id}/patient."""

    kind: IdentityKind
    masked: str = Field(examples=["010150*****"])


class PromiseOut(BaseModel):
    """When the caller was told we ring. `from` equals `by` where a department rings at fixed times."""

    model_config = ConfigDict(validate_by_name=True)

    from_: Annotated[datetime, Field(alias="from")]
    by: datetime
    spoken: str = Field(examples=["i dag innen klokken 15"])


class AttemptOut(BaseModel):
    at: datetime
    agent: str
    outcome: AttemptOutcome
    counted: bool = Field(description="False: before the promised time or too soon after another; the promise stands.")
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
    patient: PatientOut | None
    promise: PromiseOut
    attempts: list[AttemptOut]
    call_count: int = Field(description="How many times the patient has rung while this was open.")
    language: str
    created_at: datetime
    claimed_by: str | None
    lease_until: datetime | None
    version: int
    closed_reason: ClosedReason | None
    note: str | None
    sms: SmsState | None = Field(
        description="Where the newest text message to the patient stands; `failed` and `expired`: the patient was not "
        "told. It changes without a new `version`; each change is an event `sms_…`."
    )
    has_recording: bool = Field(description="Whether the caller said what it is about: GET /callbacks/{id}/recording.")

    @classmethod
    def of(cls, callback: Callback, **more: int | str) -> Self:
        """`more` are the fields a subclass adds."""
        patient = None
        if callback.patient_kind is not None and callback.patient_masked is not None:
            patient = PatientOut(kind=callback.patient_kind, masked=callback.patient_masked)
        return cls(
            id=callback.id,
            department=callback.department,
            status=callback.status,
            priority=callback.priority,
            phone=callback.phone.e164,
            patient=patient,
            promise=PromiseOut(from_=callback.promise.from_, by=callback.promise.by, spoken=callback.promise_spoken),
            attempts=[AttemptOut.of(attempt) for attempt in callback.attempts],
            call_count=callback.call_count,
            language=callback.language,
            created_at=callback.created_at,
            claimed_by=callback.claimed_by,
            lease_until=callback.lease_until,
            version=callback.version,
            closed_reason=callback.closed_reason,
            note=callback.note,
            sms=callback.sms,
            has_recording=callback.has_recording,
            **more,
        )


class ClaimedCallback(CallbackOut):
    fence: int = Field(description="Shows that the claim is yours: give it back with attempts, release and close.")


class AttemptedCallback(CallbackOut):
    next: str = Field(
        description="What happens now, in Norwegian words.",
        examples=["ringes igjen i dag klokken 13", "ikke nådd, ringt x3: man 10:02, man 13:05, tir 10:01"],
    )


class BookedCallback(CallbackOut):
    created: bool = Field(description="False: there was an open one of the same person, which has been added to.")


class TransferredCallback(CallbackOut):
    promise_kept: bool = Field(description="False: `promise` is a new one, which the patient has not been told yet.")


class PromisedCallback(CallbackOut):
    sms_queued: bool = Field(description="Whether a text message that tells of it is on its way out.")


class CallbackPage(BaseModel):
    items: list[CallbackOut]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")

    @classmethod
    def of(cls, page: Page[Callback]) -> Self:
        return cls(items=[CallbackOut.of(each) for each in page.items], next_cursor=page.next_cursor)


class ClaimedCallbacks(BaseModel):
    items: list[ClaimedCallback]


class FullPatientOut(BaseModel):
    kind: IdentityKind
    number: str = Field(description="The whole national identity number. That you read it has been recorded.")

    @classmethod
    def of(cls, patient: IdentityNumber) -> Self:
        return cls(kind=patient.kind, number=patient.value)


class HistoryRowOut(BaseModel):
    id: int
    at: datetime
    event: str
    actor: str
    from_status: Status | None
    to_status: Status | None
    details: dict[str, str | int | bool | None]

    @classmethod
    def of(cls, row: HistoryRow) -> Self:
        return cls(
            id=row.id,
            at=row.at,
            event=row.event,
            actor=row.actor,
            from_status=Status(row.from_status) if row.from_status else None,
            to_status=Status(row.to_status) if row.to_status else None,
            details=dict(row.details),
        )


class HistoryOut(BaseModel):
    items: list[HistoryRowOut]


class CallOut(BaseModel):
    id: int
    department: str
    at: datetime
    phone: str | None
    incomplete: bool
    step: IncompleteStep | None = Field(description="How far an incomplete call came.")
    why: WhyEnded | None = Field(description="Why an incomplete call ended there.")
    callback_id: str | None

    @classmethod
    def of(cls, call: RecordedCall) -> Self:
        return cls(
            id=call.id,
            department=call.department,
            at=call.at,
            phone=call.phone.e164 if call.phone else None,
            incomplete=call.incomplete,
            step=call.step,
            why=call.why,
            callback_id=call.callback_id,
        )


class CallPage(BaseModel):
    items: list[CallOut]
    next_cursor: str | None


class DepartmentOut(BaseModel):
    slug: str
    name: str
    extension: str
    policy: Policy
    cutoff: str | None = Field(description="Wall time in Europe/Oslo.", examples=["14:00"])
    answer_by: str | None
    rounds: list[str]
    max_attempts: int
    sms_receipt: bool = Field(description="Whether who rings gets a text message, where SMS is on.")
    capacity: int | None = Field(description="How many callbacks a round (or a day, under a deadline) holds.")
    languages: list[str]
    hospital_number: str

    @classmethod
    def of(cls, department: Department) -> Self:
        return cls(
            slug=department.slug,
            name=department.name,
            extension=department.extension,
            policy=department.policy,
            cutoff=f"{department.cutoff:%H:%M}" if department.cutoff else None,
            answer_by=f"{department.answer_by:%H:%M}" if department.answer_by else None,
            rounds=[f"{start:%H:%M}" for start in department.rounds],
            max_attempts=department.max_attempts,
            sms_receipt=department.sms_receipt,
            capacity=department.capacity,
            languages=list(department.languages),
            hospital_number=department.hospital_number.e164,
        )


class ClosureOut(BaseModel):
    model_config = ConfigDict(validate_by_name=True)

    id: int
    department: str
    from_: Annotated[datetime, Field(alias="from")]
    until: datetime
    text_key: str

    @classmethod
    def of(cls, closure: Closure) -> Self:
        return cls(
            id=closure.id,
            department=closure.department,
            from_=closure.from_,
            until=closure.until,
            text_key=closure.text.value,
        )


class DepartmentList(BaseModel):
    items: list[DepartmentOut]


class GrantOut(BaseModel):
    role: Role
    department: str = Field(description="A slug, or `*`: all of them, also new ones.")

    @classmethod
    def of(cls, grant: Grant) -> Self:
        return cls(role=grant.role, department=grant.department)


class MeOut(BaseModel):
    name: str
    role: Role | None = Field(description="The chief one of your roles; `grants` tells which you have where.")
    departments: list[str] = Field(description="Those in which you may do anything at all.")
    grants: list[GrantOut]

    @classmethod
    def of(cls, agent: Agent, departments: Sequence[str]) -> Self:
        grants = sorted(agent.grants, key=lambda grant: (grant.department, grant.role))
        return cls(
            name=agent.name,
            role=agent.role,
            departments=list(departments),
            grants=[GrantOut.of(grant) for grant in grants],
        )


class ComponentOut(BaseModel):
    ok: bool
    detail: str


class ReadyOut(BaseModel):
    ready: bool
    components: dict[str, ComponentOut]
