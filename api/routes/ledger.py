"""Promises kept and broken, warnings before they break, and what has come in. Thin: the rules are the desk's."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from api.auth.access import Reader
from api.idempotency import answered, respond
from api.openapi import API, problems
from api.routes.parameters import NO_DEPARTMENT, NOT_FOUND, Cursor, Limit
from api.schemas.fields import SLUG, Moment
from api.schemas.ledger import (
    CallbackPromises,
    DepartmentPromisesOut,
    GivenPromiseOut,
    IntakeOut,
    WarningOut,
    WarningPage,
)
from desk.ledger.forecast import PromiseState

router = APIRouter(prefix=API, tags=["promises"])

Department = Annotated[str, Path(max_length=64, pattern=SLUG)]


@router.get(
    "/departments/{slug}/promises",
    operation_id="list_promises",
    response_model=DepartmentPromisesOut,
    responses=problems(NO_DEPARTMENT),
)
async def department_promises(
    slug: Department,
    access: Reader,
    since: Annotated[Moment | None, Query(description="Due after then; seven days ago, and 31 at most.")] = None,
    state: Annotated[
        list[PromiseState] | None, Query(max_length=len(PromiseState), description="Repeat for several.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """The ledger: each promise given and what became of it, by when it is due; the share kept; how the line will go."""
    found = await access.services.ledger.promises(
        slug, scope=access.scope, since=since, state=state, cursor=cursor, limit=limit
    )
    return respond(answered(DepartmentPromisesOut.of(found)))


@router.get(
    "/departments/{slug}/warnings",
    operation_id="list_warnings",
    response_model=WarningPage,
    responses=problems(NO_DEPARTMENT),
)
async def department_warnings(slug: Department, access: Reader, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """Promises that were seen to be at risk, oldest first: one warning for each, before it breaks."""
    page = await access.services.ledger.warnings(slug, scope=access.scope, cursor=cursor, limit=limit)
    items = [WarningOut.of(row) for row in page.items]
    return respond(answered(WarningPage(items=items, next_cursor=page.next_cursor)))


@router.get(
    "/departments/{slug}/intake", operation_id="get_intake", response_model=IntakeOut, responses=problems(NO_DEPARTMENT)
)
async def department_intake(
    slug: Department,
    access: Reader,
    since: Annotated[Moment | None, Query(description="Rang since then; without it, all that wait.")] = None,
) -> Response:
    """The Monday view: who waits, by urgency and by what is known of them, the deadlines ahead, and when it is done."""
    return respond(answered(IntakeOut.of(await access.services.ledger.intake(slug, since, scope=access.scope))))


@router.get(
    "/callbacks/{id:uuid}/promises",
    operation_id="list_callback_promises",
    response_model=CallbackPromises,
    responses=problems(NOT_FOUND),
)
async def callback_promises(id: UUID, access: Reader) -> Response:
    """Every promise given for this callback, the first first, each judged by itself."""
    judged = await access.services.ledger.of_callback(str(id), scope=access.scope)
    return respond(answered(CallbackPromises(items=[GivenPromiseOut.of(each) for each in judged])))
