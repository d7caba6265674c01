"""The ledger of promises, and the intake. Durations are in whole seconds."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from desk.inquiries.model import Priority
from desk.ledger.forecast import PromiseState
from desk.ledger.model import (
    Deadline,
    DepartmentPromises,
    Intake,
    IntakeGroup,
    JudgedPromise,
    Outlook,
    PromiseWarning,
)
from desk.messages.model import SmsState
from desk.promises.model import PromiseReason


class GivenPromiseOut(BaseModel):
    """A promise as it was given, and its outcome."""

    model_config = ConfigDict(validate_by_name=True)

    id: int
    callback_id: str
    department: str = Field(description="The department that gave it. After a transfer the callback may be in another.")
    given_at: datetime
    reason: PromiseReason
    from_: Annotated[datetime, Field(alias="from")]
    by: datetime
    due: datetime = Field(
        description="The promise is kept by a call before this time: `by`, or the end of the promised round."
    )
    spoken: str
    state: PromiseState = Field(description="`withdrawn` means closed without a call before it was due.")
    kept_at: datetime | None
    predicted_at: datetime | None = Field(description="When the call will probably be made.")
    sms: SmsState | None = Field(
        description="State of the text message about it. After `failed` or `expired` the patient was not notified."
    )

    @classmethod
    def of(cls, judged: JudgedPromise) -> Self:
        row = judged.record
        return cls(
            id=row.id,
            callback_id=row.callback_id,
            department=row.department,
            given_at=row.window.made,
            reason=row.reason,
            from_=row.promise.from_,
            by=row.promise.by,
            due=row.window.due,
            spoken=row.spoken,
            state=judged.state,
            kept_at=judged.kept_at,
            predicted_at=judged.predicted_at,
            sms=judged.sms,
        )


class CallbackPromises(BaseModel):
    items: list[GivenPromiseOut]


class OutlookOut(BaseModel):
    """The department's queue now, and its forecast."""

    in_line: int = Field(description="Waiting and claimed callbacks.")
    agents_on_duty: int = Field(
        description="Agents with a claim, a heartbeat or another action in the last 15 minutes."
    )
    handling_seconds: int = Field(
        description="Time for one callback: the median of the newest, or 300 while there are too few."
    )
    clear_at: datetime | None = Field(
        description="When all in the queue will have been called; computed for one agent when none is on duty."
    )

    @classmethod
    def of(cls, outlook: Outlook) -> Self:
        return cls(
            in_line=len(outlook.queue),
            agents_on_duty=outlook.agents,
            handling_seconds=round(outlook.handling.total_seconds()),
            clear_at=outlook.clear_at,
        )


class PromiseCounts(BaseModel):
    """Counts of all promises due after `since`, regardless of page and state."""

    kept: int
    broken: int
    at_risk: int
    open: int
    withdrawn: int


class DepartmentPromisesOut(BaseModel):
    outlook: OutlookOut
    counts: PromiseCounts
    kept_percent: float | None = Field(description="Share of kept among kept and broken; null while there are none.")
    untold: int = Field(description="Open promises whose text message never arrived.")
    items: list[GivenPromiseOut]
    next_cursor: str | None

    @classmethod
    def of(cls, found: DepartmentPromises) -> Self:
        counts = {state.value: found.counts.get(state, 0) for state in PromiseState}
        settled = counts["kept"] + counts["broken"]
        return cls(
            outlook=OutlookOut.of(found.outlook),
            counts=PromiseCounts(**counts),
            kept_percent=round(100 * counts["kept"] / settled, 1) if settled else None,
            untold=found.texts_missed,
            items=[GivenPromiseOut.of(each) for each in found.page.items],
            next_cursor=found.page.next_cursor,
        )


class WarningOut(BaseModel):
    """A promise that was found to be at risk, before it broke."""

    id: int
    at: datetime
    callback_id: str
    promise_id: int
    due: datetime
    predicted_at: datetime | None = Field(
        description="When the call would have been made; null when no agent was on duty."
    )

    @classmethod
    def of(cls, row: PromiseWarning) -> Self:
        return cls(
            id=row.id,
            at=row.at,
            callback_id=row.callback_id,
            promise_id=row.promise_id,
            due=row.due,
            predicted_at=row.predicted_at,
        )


class WarningPage(BaseModel):
    items: list[WarningOut]
    next_cursor: str | None


class IntakeGroupOut(BaseModel):
    priority: Priority
    identified: bool = Field(description="Whether the identity number is known.")
    with_note: bool = Field(description="Whether there is a note.")
    waiting: int
    oldest: datetime
    first_due: datetime

    @classmethod
    def of(cls, group: IntakeGroup) -> Self:
        return cls(
            priority=group.priority,
            identified=group.identified,
            with_note=group.with_note,
            waiting=group.waiting,
            oldest=group.oldest,
            first_due=group.first_due,
        )


class DeadlineOut(BaseModel):
    by: datetime
    waiting: int
    at_risk: int = Field(description="How many of them will probably be late.")

    @classmethod
    def of(cls, deadline: Deadline) -> Self:
        return cls(by=deadline.by, waiting=deadline.waiting, at_risk=deadline.at_risk)


class IntakeOut(BaseModel):
    """The Monday view: callbacks that came in and still wait."""

    outlook: OutlookOut
    waiting: int
    oldest: datetime | None
    groups: list[IntakeGroupOut]
    deadlines: list[DeadlineOut]

    @classmethod
    def of(cls, intake: Intake) -> Self:
        return cls(
            outlook=OutlookOut.of(intake.outlook),
            waiting=sum(group.waiting for group in intake.groups),
            oldest=min((group.oldest for group in intake.groups), default=None),
            groups=[IntakeGroupOut.of(group) for group in intake.groups],
            deadlines=[DeadlineOut.of(deadline) for deadline in intake.deadlines],
        )
