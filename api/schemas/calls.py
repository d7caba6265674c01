"""Calls as they came in."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from api.schemas.callbacks import PatientOut
from desk.callbacks.model import IncompleteStep, RecordedCall, WhyEnded


class CallOut(BaseModel):
    id: int
    department: str
    at: datetime
    phone: str | None
    incomplete: bool
    step: IncompleteStep | None = Field(description="The step at which an incomplete call ended, if known.")
    why: WhyEnded | None = Field(description="Why an incomplete call ended; null while it is on the line.")
    callback_id: str | None
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
            patient=PatientOut.of(call.patient_kind, call.patient_masked),
        )


class CallPage(BaseModel):
    items: list[CallOut]
    next_cursor: str | None
