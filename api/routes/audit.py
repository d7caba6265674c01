"""The audit log, for auditors. Reading it adds a row."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import AfterValidator

from api.access import Auditor
from api.openapi import API, problems
from api.routes.parameters import NO_DEPARTMENT, Cursor, DepartmentQuery, Limit
from api.schemas.audit import AuditPage, AuditRowOut, ExtractIn, ExtractLineOut, ExtractOut, Form
from api.schemas.fields import Moment
from api.web.audit_rules import audited
from api.web.text import PLAIN_TEXT, no_long_number
from desk.audit.actions import AuditAction
from desk.audit.audit import AuditOutcome
from desk.audit.extract import as_csv, lines
from desk.audit.repository import AuditFilter
from desk.numbers.identity_number import parse_identity

router = APIRouter(prefix=f"{API}/audit", tags=["audit"])

CSV = "text/csv"
NEXT = "X-Next-Cursor"


@router.get("", operation_id="listAudit", responses=problems(NO_DEPARTMENT))
@audited(AuditAction.LIST_AUDIT)
async def list_audit(
    access: Auditor,
    since: Annotated[Moment | None, Query(alias="from", description="Rows from this time on.")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="Rows before this time.")] = None,
    who: Annotated[
        str | None, AfterValidator(no_long_number), Query(min_length=1, max_length=128, pattern=PLAIN_TEXT)
    ] = None,
    action: Annotated[AuditAction | None, Query(description="An action, such as `get_patient`.")] = None,
    department: DepartmentQuery = None,
    callback: UUID | None = None,
    outcome: AuditOutcome | None = None,
    emergency: Annotated[
        bool | None, Query(description="True for emergency access only, false for all others.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> AuditPage:
    """List the rows of your departments that match every filter, newest first.

    Rows without a department, such as log-ins, are for auditors of all departments.
    """
    actor = access.reading(department) if department is not None else access.actor
    if callback is not None:
        access.trail.saw(str(callback))
    filters = AuditFilter(
        since=since,
        until=until,
        who=who,
        action=action.value if action is not None else None,
        department=department,
        callback=str(callback) if callback is not None else None,
        outcome=outcome.value if outcome is not None else None,
        emergency=emergency,
    )
    page = await access.services.audit.page(actor, filters, cursor=cursor, limit=limit)
    return AuditPage(items=[AuditRowOut.of(row) for row in page.items], next_cursor=page.next_cursor)


@router.post(
    "/extract",
    operation_id="extractAudit",
    response_model=ExtractOut,
    responses={
        200: {
            "description": f"JSON, or CSV separated by `;` with the next cursor in {NEXT}.",
            "content": {CSV: {"schema": {"type": "string"}}},
        },
        **problems(),
    },
)
@audited(AuditAction.EXTRACT_AUDIT)
async def extract_audit(body: ExtractIn, access: Auditor) -> Response:
    """List who has read one patient's callbacks, newest first, in words for the patient («innsyn i logg»)."""
    services = access.services
    number = parse_identity(
        body.identity, allow_test=services.settings.demo, allow_h=services.settings.numbers.enable_h_numbers
    ).value
    access.trail.revealed(number)
    page = await services.audit.of_patient(access.actor, number, cursor=body.cursor, limit=body.limit)
    known = services.departments()
    repeats = await services.audit.repeats(access.actor, page.items)
    extract = lines(page.items, lambda slug: known.get(slug).name if slug in known else slug, repeats)
    if body.format is Form.CSV:
        headers = {NEXT: page.next_cursor} if page.next_cursor else {}
        return Response(as_csv(extract), media_type=CSV, headers=headers)
    out = ExtractOut(items=[ExtractLineOut.of(line) for line in extract], next_cursor=page.next_cursor)
    return Response(out.model_dump_json(), media_type="application/json")
