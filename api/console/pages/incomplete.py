"""Calls that ended half-way: a callback can be made of each, or it is dismissed with a reason."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import Response

from api.console.access import PageWorker
from api.console.answers import in_words, on_to
from api.console.rendering import render, words_for
from api.console.rows import call_row
from api.web.audit_rules import audited
from desk.audit.actions import AuditAction
from desk.callbacks.model import CallFollowUp
from desk.errors import DeskError

router = APIRouter(prefix="/incomplete", include_in_schema=False)

PAGE_ROWS: Final = 100
REASONS: Final = (CallFollowUp.REACHED, CallFollowUp.NOT_NEEDED, CallFollowUp.DUPLICATE, CallFollowUp.OTHER)
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("")
@audited(AuditAction.LIST_CALLS, listed=True)
async def incomplete(
    request: Request, access: PageWorker, cursor: Annotated[str | None, Query(max_length=500)] = None
) -> Response:
    """List the calls that no one has dealt with, oldest first."""
    return await _page(request, access, cursor=cursor)


@router.post("/{number:int}/dismiss")
@audited(AuditAction.DISMISS_CALL)
async def dismiss(
    request: Request,
    access: PageWorker,
    number: Number,
    reason: Annotated[Literal["reached", "not_needed", "duplicate", "other"], Form()],
) -> Response:
    """Record that it needs nothing more."""
    try:
        await access.services.callbacks.incomplete.dismiss(access.actor, number, CallFollowUp(reason))
    except DeskError as error:
        return await _page(request, access, error=error)
    return on_to("/incomplete")


@router.post("/{number:int}/callback")
@audited(AuditAction.BOOK_CALL)
async def book(request: Request, access: PageWorker, number: Number) -> Response:
    """Make a callback of it, and show that."""
    try:
        booked = await access.services.callbacks.incomplete.book(access.actor, number)
    except DeskError as error:
        return await _page(request, access, error=error)
    return on_to(f"/callbacks/{booked.callback.id}")


async def _page(
    request: Request, access: PageWorker, *, cursor: str | None = None, error: DeskError | None = None
) -> Response:
    services, words, now = access.services, words_for(request), access.services.clock.now()
    departments = services.departments()
    page = await services.callbacks.incomplete.waiting(access.reading(), cursor=cursor, limit=PAGE_ROWS)
    rows = [call_row(words, call, departments, now=now) for call in page.items]
    alert = in_words(words, error) if error else None
    values = {"rows": rows, "next_cursor": page.next_cursor, "reasons": REASONS, "alert": alert}
    return render(request, "incomplete.html", access, status=409 if error else 200, **values)
