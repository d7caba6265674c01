"""Calls as they came in, also those that ended before anything was registered."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query

from api.access import Reader, Worker
from api.openapi import API, problems
from api.routes.parameters import NO_DEPARTMENT, Cursor, DepartmentQuery, Limit
from api.routes.revealing import LIMITED, revealed
from api.schemas.callbacks import CallbackOut, FullPatientOut
from api.schemas.calls import CallOut, CallPage, DismissIn
from api.web.audit_rules import audited
from api.web.problems import Statuses
from desk.audit.actions import AuditAction
from desk.callbacks.errors import CallDealtWith, CallNotFound, NoNumber
from desk.callbacks.model import CallFollowUp

router = APIRouter(prefix=f"{API}/calls", tags=["calls"])

STATUSES: Final[Statuses] = {CallNotFound: 404, CallDealtWith: 409, NoNumber: 409}
MOST: Final = 2**63 - 1
Number = Annotated[int, Path(ge=1, le=MOST)]
NO_CALL = (404, "There is no such incomplete call.")
DEALT_WITH = (409, "Someone has dealt with it already, or there is no number to call.")


@router.get("", operation_id="listCalls", responses=problems(NO_DEPARTMENT))
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


@router.get(
    "/{number}/patient",
    operation_id="getCallPatient",
    responses=problems(
        (404, "There is no such call, or no identity number was keyed in it."),
        LIMITED,
    ),
)
@audited(AuditAction.GET_CALL_PATIENT)
async def get_call_patient(number: Number, access: Worker) -> FullPatientOut:
    """Return the identity number that was keyed in an incomplete call. Each read is recorded, with your name.

    Use it to find the telephone number of someone who hung up before giving one.
    """
    return await revealed(access, access.services.callbacks.identity_reveal.reveal_of_call(access.actor, number))


@router.post("/{number}/dismiss", operation_id="dismissCall", status_code=204, responses=problems(NO_CALL, DEALT_WITH))
@audited(AuditAction.DISMISS_CALL)
async def dismiss(number: Number, body: DismissIn, access: Worker) -> None:
    """Record that an incomplete call needs nothing more, and why."""
    await access.services.callbacks.incomplete.dismiss(access.actor, number, CallFollowUp(body.reason))


@router.post("/{number}/callback", operation_id="bookCall", status_code=201, responses=problems(NO_CALL, DEALT_WITH))
@audited(AuditAction.BOOK_CALL)
async def book(number: Number, access: Worker) -> CallbackOut:
    """Make a callback of an incomplete call, with what is known: the number, and the person if one was keyed."""
    booked = await access.services.callbacks.incomplete.book(access.actor, number)
    return CallbackOut.of(booked.callback)
