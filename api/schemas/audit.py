"""The audit log."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, Field

from api.schemas.fields import Body
from desk.audit.audit import AuditOutcome
from desk.audit.extract import ExtractLine
from desk.audit.repository import AuditRow

MOST_LINES = 1000


class AuditRowOut(BaseModel):
    """One row. Who is null where nobody was signed in; `status` and `problem` are the answer's."""

    seq: int
    at: datetime
    who: str | None
    role: str | None = Field(description="The agent's roles then, comma between.")
    action: str = Field(description="The name of what was asked for, as `get_patient`.")
    department: str | None
    callbacks: list[str] = Field(description="Those seen, changed or asked for, of your departments.")
    again: int = Field(description="So many more were shown, which an earlier look by the same session names.")
    named_until: datetime | None = Field(
        description="Until then the same session's further looks at such lists count as `again` what is named here."
    )
    patient_named: bool = Field(description="The whole identity number was shown or asked for.")
    why: str | None
    outcome: AuditOutcome
    status: int | None
    problem: str | None
    source: str = Field(description="The address it came from; `cli:` and a user's name for commands.")
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
            callbacks=[each.callback_id for each in row.seen],
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
    """How an extract is written."""

    JSON = "json"
    CSV = "csv"


class ExtractIn(Body):
    """Whose rows. In the body, never in an address: those end in logs."""

    identity: Annotated[str, Field(pattern="^[0-9]{11}$", description="National identity number.")]
    format: Form = Form.JSON
    cursor: Annotated[str, Field(max_length=500)] | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_LINES)] = MOST_LINES


class ExtractLineOut(BaseModel):
    """One row in words a patient may read, in Bokmål."""

    at: str = Field(description="Wall time in Oslo.")
    who: str
    role: str
    department: str
    action: str
    outcome: str
    emergency: bool
    why: str
    again: str = Field(description="How often a list may have been looked at again, and until when.")

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
