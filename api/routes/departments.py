"""Departments and their closures."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query

from api.access import Closer, SignedIn
from api.openapi import API, problems
from api.routes.parameters import NO_DEPARTMENT
from api.schemas.departments import ClosureIn, ClosureOut, DepartmentList, DepartmentOut
from api.schemas.fields import SLUG
from api.web.audit_rules import audited
from api.web.problems import Statuses
from desk.access.errors import DepartmentNotAllowed
from desk.audit.actions import AuditAction
from desk.departments.errors import DepartmentNotFound
from desk.promises.model import DelayReason

router = APIRouter(prefix=f"{API}/departments", tags=["departments"])

STATUSES: Final[Statuses] = {
    DepartmentNotAllowed: 403,
    DepartmentNotFound: 404,
}


@router.get("", operation_id="list_departments", responses=problems())
@audited(AuditAction.LIST_DEPARTMENTS)
async def list_departments(
    access: SignedIn,
    everywhere: Annotated[
        bool, Query(description="Include departments that are not yours: a callback can be transferred to any of them.")
    ] = False,
) -> DepartmentList:
    """List your departments and when they call."""
    departments = access.services.departments()
    slugs = list(departments) if everywhere else access.departments()
    return DepartmentList(items=[DepartmentOut.of(departments.get(slug)) for slug in slugs])


@router.post(
    "/{slug}/closures",
    operation_id="close_queue",
    status_code=201,
    responses=problems(NO_DEPARTMENT),
)
@audited(AuditAction.CLOSE_QUEUE)
async def close_queue(
    access: Closer, slug: Annotated[str, Path(max_length=64, pattern=SLUG)], closure: ClosureIn
) -> ClosureOut:
    """Close the queue for a time. The new closure replaces those it overlaps, so a shorter one ends a longer."""
    text = DelayReason(closure.text_key) if closure.text_key else DelayReason.CLOSED_TODAY
    closures = access.services.callbacks.closures
    closed = await closures.close_queue(access.actor, slug, from_=closure.from_, until=closure.until, text=text)
    return ClosureOut.of(closed)
