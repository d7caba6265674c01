"""Emergency access («nødrett») to a department that is not the agent's own, for a short time."""

from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Request

from api.access import Reader
from api.openapi import API, problems
from api.routes.parameters import NO_DEPARTMENT, Cursor, DepartmentQuery, Limit, Number
from api.routes.tokens import bearer_of
from api.schemas.emergency import EmergencyIn, EmergencyOut, EmergencyPage
from api.web.audit_rules import audited
from api.web.middleware.trace import trace_of
from api.web.problems import Statuses
from desk.access.permissions import Permission
from desk.accounts.errors import EmergencyNotFound, EmergencyNotNeeded
from desk.audit.actions import AuditAction

router = APIRouter(prefix=f"{API}/emergency-access", tags=["emergency access"])

STATUSES: Final[Statuses] = {
    EmergencyNotFound: 404,
    EmergencyNotNeeded: 409,
}


@router.post(
    "",
    operation_id="openEmergencyAccess",
    status_code=201,
    responses=problems(NO_DEPARTMENT, (409, "You already have access to the department.")),
)
@audited(AuditAction.OPEN_EMERGENCY)
async def open_emergency(body: EmergencyIn, access: Reader, request: Request) -> EmergencyOut:
    """Open a department to yourself for a short time: to read and, if you are an agent elsewhere, to work.

    Its leaders are notified at once (`emergency_opened` in GET /events) and can read your reason. What you see there
    is marked in the audit log.
    """
    trace_of(request).department = body.department
    lasting = timedelta(minutes=body.minutes)
    opened = await access.services.emergencies.open(
        access.actor, access.agent, body.department, body.reason, lasting=lasting, by=bearer_of(access)
    )
    trace_of(request).why = f"emergency_access:{opened.id}"
    return EmergencyOut.of(opened)


@router.get("", operation_id="listEmergencyAccess", responses=problems(NO_DEPARTMENT))
@audited(AuditAction.LIST_EMERGENCIES)
async def list_emergencies(
    access: Reader, department: DepartmentQuery = None, cursor: Cursor = None, limit: Limit = 50
) -> EmergencyPage:
    """List emergency access to the departments you lead or audit, and your own, newest first."""
    if department is not None:
        access.looking(department)
    overseer = access.acting(Permission.OVERSEE)
    page = await access.services.emergencies.list(overseer, department=department, cursor=cursor, limit=limit)
    return EmergencyPage(items=[EmergencyOut.of(row) for row in page.items], next_cursor=page.next_cursor)


@router.delete(
    "/{number:int}",
    operation_id="endEmergencyAccess",
    responses=problems((404, "There is no such emergency access of yours to end.")),
)
@audited(AuditAction.END_EMERGENCY)
async def end_emergency(number: Number, access: Reader, request: Request) -> EmergencyOut:
    """End an emergency access early: your own, or one in a department you lead. Repeating it changes nothing."""
    ended = await access.services.emergencies.end(access.acting(Permission.CLOSE), number)
    trace_of(request).department, trace_of(request).why = ended.department, f"emergency_access:{ended.id}"
    return EmergencyOut.of(ended)
