"""Calls as they came in; with `incomplete=true` those who hung up before anything was registered."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.auth.access import Reader
from api.openapi import API, problems
from api.routes.parameters import NO_DEPARTMENT, Cursor, DepartmentQuery, Limit
from api.schemas.calls import CallOut, CallPage

router = APIRouter(prefix=f"{API}/calls", tags=["calls"])


@router.get("", operation_id="list_calls", responses=problems(NO_DEPARTMENT))
async def list_calls(
    access: Reader,
    department: DepartmentQuery = None,
    incomplete: Annotated[bool | None, Query(description="Only (true) or none (false) of the incomplete.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> CallPage:
    """Calls, oldest first."""
    page = await access.services.desk.calls(
        scope=access.looking(department), incomplete=incomplete, cursor=cursor, limit=limit
    )
    return CallPage(items=[CallOut.of(call) for call in page.items], next_cursor=page.next_cursor)
