"""The ledger of promises, warnings, and the intake of a department."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.access import Reader
from api.idempotency import answered, respond
from api.openapi import API, problems
from api.routes.parameters import NO_DEPARTMENT, NOT_FOUND, Cursor, Limit, SlugPath
from api.schemas.fields import CallbackPath, Moment
from api.schemas.ledger import (
    CallbackPromises,
    DepartmentPromisesOut,
    GivenPromiseOut,
    IntakeOut,
    WarningOut,
    WarningPage,
)
from api.web.audit_rules import audited
from desk.audit.actions import AuditAction
from desk.ledger.forecast import PromiseState

router = APIRouter(prefix=API, tags=["promises"])


@router.get(
    "/departments/{slug}/promises",
    operation_id="listPromises",
    response_model=DepartmentPromisesOut,
    responses=problems(NO_DEPARTMENT),
)
@audited(AuditAction.DEPARTMENT_PROMISES, listed=True)
async def department_promises(
    slug: SlugPath,
    access: Reader,
    since: Annotated[
        Moment | None, Query(description="Promises due after this time. By default seven days ago, at most 31.")
    ] = None,
    state: Annotated[
        list[PromiseState] | None, Query(max_length=len(PromiseState), description="Repeat it for several.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """List the promises of a department by due time, with the share kept and a forecast of the queue."""
    found = await access.services.ledger.promises(
        access.actor, slug, since=since, state=state, cursor=cursor, limit=limit
    )
    return respond(answered(DepartmentPromisesOut.of(found)))


@router.get(
    "/departments/{slug}/warnings",
    operation_id="listWarnings",
    response_model=WarningPage,
    responses=problems(NO_DEPARTMENT),
)
@audited(AuditAction.DEPARTMENT_WARNINGS, listed=True)
async def department_warnings(slug: SlugPath, access: Reader, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """List warnings of promises at risk, oldest first. Each promise gets one warning, before it breaks."""
    page = await access.services.ledger.warnings(access.actor, slug, cursor=cursor, limit=limit)
    items = [WarningOut.of(row) for row in page.items]
    return respond(answered(WarningPage(items=items, next_cursor=page.next_cursor)))


@router.get(
    "/departments/{slug}/intake", operation_id="getIntake", response_model=IntakeOut, responses=problems(NO_DEPARTMENT)
)
@audited(AuditAction.DEPARTMENT_INTAKE)
async def department_intake(
    slug: SlugPath,
    access: Reader,
    since: Annotated[
        Moment | None, Query(description="Callbacks registered since this time. By default all that wait.")
    ] = None,
) -> Response:
    """The Monday view: waiting callbacks by priority and known details, their deadlines, and a forecast."""
    return respond(answered(IntakeOut.of(await access.services.ledger.intake(access.actor, slug, since))))


@router.get(
    "/callbacks/{id:uuid}/promises",
    operation_id="listCallbackPromises",
    response_model=CallbackPromises,
    responses=problems(NOT_FOUND),
)
@audited(AuditAction.CALLBACK_PROMISES)
async def callback_promises(id: CallbackPath, access: Reader) -> Response:
    """List every promise given for this callback, oldest first, each with its own outcome."""
    judged = await access.services.ledger.of_callback(access.actor, id)
    return respond(answered(CallbackPromises(items=[GivenPromiseOut.of(each) for each in judged])))
