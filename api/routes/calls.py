"""Calls as they came in, also those that ended before anything was registered."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.access import Reader
from api.openapi import API, problems
from api.routes.parameters import NO_DEPARTMENT, Cursor, DepartmentQuery, Limit
from api.schemas.calls import CallOut, CallPage
from api.web.audit_rules import audited
from desk.audit.actions import AuditAction

router = APIRouter(prefix=f"{API}/calls", tags=["calls"])


@router.get("", operation_id="list_calls", responses=problems(NO_DEPARTMENT))
@audited(AuditAction.LIST_CALLS, listed=True)
async def list_calls(
    access: Reader,
    department: DepartmentQuery = None,
    incomplete: Annotated[
        bool | None, Query(description="True for incomplete calls only, false for all others.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> CallPage:
    """List calls, oldest first. Incomplete calls ended before anything was registered."""
    page = await access.services.callbacks.lists.calls(
        access.reading(department), incomplete=incomplete, cursor=cursor, limit=limit
    )
    return CallPage(items=[CallOut.of(call) for call in page.items], next_cursor=page.next_cursor)
