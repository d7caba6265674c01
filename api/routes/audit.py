"""Who saw and did what, for auditors. Thin: the rows and their chain are the desk's. Reading is itself a row."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import AfterValidator, BaseModel, Field

from api.auth.access import Access, signed_in
from api.openapi import API, problems
from api.routes.callbacks import Cursor, DepartmentQuery, Limit
from api.schemas.bodies import Moment
from api.schemas.common import Body
from api.web.middleware.trace import trace_of
from api.web.text import PLAIN_TEXT
from desk.access.permissions import Permission
from desk.audit.audit import AuditOutcome
from desk.audit.extract import ExtractLine, as_csv, lines
from desk.audit.repository import AuditFilter, AuditRow
from desk.numbers.identity_number import parse_identity

router = APIRouter(prefix=f"{API}/audit", tags=["audit"])

Auditor = Annotated[Access, Depends(signed_in(Permission.AUDIT))]

CSV = "text/csv"
NEXT = "X-Next-Cursor"
MOST_LINES = 1000
NUMBER = re.compile(r"[0-9](?:[ .-]?[0-9]){7}")


def _no_number(text: str) -> str:
    """Phone and identity numbers don't belong in an address: those end in logs."""
    if NUMBER.search(text):
        raise ValueError("a number")
    return text


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


@router.get("", responses=problems((404, "There is no such department.")))
async def list_audit(
    access: Auditor,
    request: Request,
    since: Annotated[Moment | None, Query(alias="from", description="From then on.")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="Before then.")] = None,
    who: Annotated[
        str | None, AfterValidator(_no_number), Query(min_length=1, max_length=128, pattern=PLAIN_TEXT)
    ] = None,
    action: Annotated[str | None, Query(pattern="^[a-z_]{1,64}$", description="As `get_patient`.")] = None,
    department: DepartmentQuery = None,
    callback: UUID | None = None,
    outcome: AuditOutcome | None = None,
    emergency: Annotated[bool | None, Query(description="Only (true) or none (false) of emergency access.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> AuditPage:
    """Who saw and did what, newest first: all rows that fulfil every wish, of your departments.

    Rows that are about no department (a log-in, a refusal of somebody unknown) are for auditors of all departments.
    """
    scope = access.looking(department) if department is not None else access.scope
    if callback is not None:
        trace_of(request).callbacks.add(str(callback))
    wanted = AuditFilter(
        departments=scope.departments,
        since=since,
        until=until,
        who=who,
        action=action,
        department=department,
        callback=str(callback) if callback is not None else None,
        outcome=outcome.value if outcome is not None else None,
        emergency=emergency,
    )
    page = await access.services.audit.page(wanted, cursor=cursor, limit=limit)
    return AuditPage(items=[AuditRowOut.of(row) for row in page.items], next_cursor=page.next_cursor)


@router.post(
    "/extract",
    response_model=ExtractOut,
    responses={
        200: {
            "description": f"JSON, or CSV with `;` between and the next cursor in {NEXT}.",
            "content": {CSV: {"schema": {"type": "string"}}},
        },
        **problems(),
    },
)
async def extract_audit(body: ExtractIn, access: Auditor, request: Request) -> Response:
    """Who has looked at one patient's callbacks, newest first, as the patient may read it («innsyn i logg»)."""
    parts = access.services
    number = parse_identity(
        body.identity, allow_test=parts.settings.demo, allow_h=parts.settings.numbers.enable_h_numbers
    ).value
    trace_of(request).patient = number
    page = await parts.audit.of_patient(number, access.scope.departments, cursor=body.cursor, limit=body.limit)
    known = parts.departments()
    repeats = await parts.audit.repeats(page.items)
    told = lines(page.items, lambda slug: known.get(slug).name if slug in known else slug, repeats)
    if body.format is Form.CSV:
        headers = {NEXT: page.next_cursor} if page.next_cursor else {}
        return Response(as_csv(told), media_type=CSV, headers=headers)
    out = ExtractOut(items=[ExtractLineOut.of(line) for line in told], next_cursor=page.next_cursor)
    return Response(out.model_dump_json(), media_type="application/json")
