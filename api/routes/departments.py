"""Departments and their closures."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query

from api.access import Closer, Reader, SignedIn
from api.openapi import API, problems
from api.routes.parameters import NO_DEPARTMENT, SlugPath
from api.schemas.departments import ClosureIn, ClosureList, ClosureOut, DepartmentList, DepartmentOut
from api.web.audit_rules import audited
from api.web.problems import Fields, Statuses
from desk.access.errors import DepartmentNotAllowed
from desk.audit.actions import AuditAction
from desk.departments.errors import DepartmentNotFound
from desk.promises.errors import ClosureNotFound, ClosureOver
from desk.promises.model import DelayReason

router = APIRouter(prefix=f"{API}/departments", tags=["departments"])

STATUSES: Final[Statuses] = {
    DepartmentNotAllowed: 403,
    DepartmentNotFound: 404,
    ClosureNotFound: 404,
    ClosureOver: 422,
}
FIELDS: Final[Fields] = {ClosureOver: ("body", "#/until")}

MOST: Final = 2**63 - 1


@router.get("", operation_id="listDepartments", responses=problems())
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
    closed = await access.services.callbacks.closures.closed_now(access.actor)
    return DepartmentList(items=[DepartmentOut.of(departments.get(slug), closed.get(slug)) for slug in slugs])


@router.get("/{slug}/closures", operation_id="listClosures", responses=problems(NO_DEPARTMENT))
@audited(AuditAction.LIST_CLOSURES)
async def list_closures(access: Reader, slug: SlugPath) -> ClosureList:
    """List the department's closures that are not over, in order."""
    closures = await access.services.callbacks.closures.list_closures(access.actor, slug)
    return ClosureList(items=[ClosureOut.of(each) for each in closures])


@router.delete(
    "/{slug}/closures/{number}",
    operation_id="endClosure",
    status_code=204,
    responses=problems((404, "There is no such department or closure.")),
)
@audited(AuditAction.END_CLOSURE)
async def end_closure(access: Closer, slug: SlugPath, number: Annotated[int, Path(ge=1, le=MOST)]) -> None:
    """End a closure now, or withdraw one that has not started. What was promised under it stays promised."""
    await access.services.callbacks.closures.end(access.actor, slug, number)


@router.post(
    "/{slug}/closures",
    operation_id="closeQueue",
    status_code=201,
    responses=problems(NO_DEPARTMENT),
)
@audited(AuditAction.CLOSE_QUEUE)
async def close_queue(access: Closer, slug: SlugPath, closure: ClosureIn) -> ClosureOut:
    """Close the queue for a time. The new closure replaces those it overlaps, so a shorter one ends a longer.

    One that is wholly in the past is refused (422 `closure-over`).
    """
    text = DelayReason(closure.text_key) if closure.text_key else DelayReason.CLOSED_TODAY
    closures = access.services.callbacks.closures
    closed = await closures.close_queue(access.actor, slug, from_=closure.from_, until=closure.until, text=text)
    return ClosureOut.of(closed)
