"""Calls as they came in."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, Field

from api.schemas.callbacks import PatientOut
from api.schemas.fields import Body
from desk.callbacks.model import CallFollowUp, IncompleteStep, RecordedCall, WhyEnded


class CallOut(BaseModel):
    id: int
    department: str
    at: datetime
    phone: str | None
    incomplete: bool
    step: IncompleteStep | None = Field(description="The step at which an incomplete call ended, if known.")
    why: WhyEnded | None = Field(description="Why an incomplete call ended; null while it is on the line.")
    callback_id: str | None
    follow_up: CallFollowUp | None = Field(
        description="How someone dealt with an incomplete call: POST /calls/{id}/dismiss or /calls/{id}/callback. "
        "Null: no one has."
    )
    led_to: str | None = Field(description="The callback that was made of an incomplete call.")
    patient: PatientOut | None = Field(
        description="The person whose identity number was keyed in an incomplete call, masked. "
        "GET /calls/{id}/patient has the whole one."
    )

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
            follow_up=call.follow_up,
            led_to=call.led_to,
            patient=PatientOut.of(call.patient_kind, call.patient_masked),
        )


class DismissIn(Body):
    """Why an incomplete call needs nothing more."""

    reason: Literal["reached", "not_needed", "duplicate", "other"]


class CallPage(BaseModel):
    items: list[CallOut]
    next_cursor: str | None
