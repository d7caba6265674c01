"""The audit log."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, Field

from api.schemas.fields import WHOLE, Body
from desk.audit.audit import AuditOutcome
from desk.audit.extract import ExtractLine
from desk.audit.repository import AuditRow

MOST_LINES = 1000


class AuditRowOut(BaseModel):
    """One row of the audit log. `who` is null when no one was signed in; `status` and `problem` are the response's."""

    seq: int
    at: datetime
    who: str | None
    role: str | None = Field(description="The agent's roles at that time, separated by commas.")
    action: str = Field(description="The action, such as `get_patient`.")
    department: str | None
    callbacks: list[str] = Field(description="Callbacks of your departments that were seen, changed or requested.")
    again: int = Field(description="How many more were shown that an earlier row of the same session names.")
    named_until: datetime | None = Field(
        description="Until then, rows of the same session count callbacks named here as `again`."
    )
    patient_named: bool = Field(description="Whether a whole identity number was shown or requested.")
    why: str | None
    outcome: AuditOutcome
    status: int | None
    problem: str | None
    source: str = Field(description="The client's address; for commands `cli:` and the user's name.")
    request_id: str | None
    session: str | None
    emergency: bool

    @classmethod
    def of(cls, row: AuditRow) -> Self:
        return cls(
            seq=row.seq,
            at=row.at,
            who=row.who,
            role=row.role,
            action=row.action,
            department=row.department,
            callbacks=list(dict.fromkeys(each.callback_id for each in row.seen)),
            again=row.again or 0,
            named_until=row.named_until,
            patient_named=row.patient_index is not None,
            why=row.why,
            outcome=AuditOutcome(row.outcome),
            status=row.status,
            problem=row.problem,
            source=row.source,
            request_id=row.request_id,
            session=row.session,
            emergency=row.emergency,
        )


class AuditPage(BaseModel):
    items: list[AuditRowOut]
    next_cursor: str | None


class Form(StrEnum):
    """The format of an extract."""

    JSON = "json"
    CSV = "csv"


class ExtractIn(Body):
    """The patient whose rows to extract. The number is in the body, since addresses are logged."""

    identity: Annotated[str, Field(pattern="^[0-9]{11}$", description="National identity number.")]
    format: Form = Form.JSON
    cursor: Annotated[str, Field(max_length=500)] | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_LINES), WHOLE] = MOST_LINES


class ExtractLineOut(BaseModel):
    """One row in words for the patient, in Bokmål."""

    at: str = Field(description="Local time in Oslo.")
    who: str
    role: str
    department: str
    action: str
    outcome: str
    emergency: bool
    why: str
    again: str = Field(description="How often a list may have been read again, and until when.")

    @classmethod
    def of(cls, line: ExtractLine) -> Self:
        return cls(
            at=line.at,
            who=line.who,
            role=line.role,
            department=line.department,
            action=line.action,
            outcome=line.outcome,
            emergency=line.emergency,
            why=line.why,
            again=line.again,
        )


class ExtractOut(BaseModel):
    items: list[ExtractLineOut]
    next_cursor: str | None
