"""Search: find the callback of someone who is on the phone, in one field. What is typed never reaches an address."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from api.console.access import PageWorker
from api.console.answers import in_words
from api.console.rendering import render, words_for
from api.console.rows import call_row, row_of
from api.web.audit_rules import audited, unaudited
from desk.audit.actions import AuditAction
from desk.callbacks.errors import NothingToSearchFor
from desk.callbacks.search import read_term
from desk.errors import DeskError
from desk.limits.errors import TooManyNumbers

router = APIRouter(prefix="/search", include_in_schema=False)


@router.get("")
@unaudited("an empty form")
async def search_page(request: Request, access: PageWorker) -> Response:
    """Show the form."""
    return render(request, "search.html", access, rows=None, calls=[], text="", may_work=True, alert=None)


@router.post("")
@audited(AuditAction.SEARCH)
async def search(
    request: Request, access: PageWorker, text: Annotated[str, Form(min_length=1, max_length=100)]
) -> Response:
    """Show what was found."""
    services, words = access.services, words_for(request)
    try:
        term = read_term(text, allow_test=services.settings.demo, allow_h=services.settings.numbers.enable_h_numbers)
        found = await services.callbacks.search.find(access.actor, term)
    except (NothingToSearchFor, TooManyNumbers) as error:
        return _refused(request, access, text, error)
    now, departments = services.clock.now(), services.departments()
    rows = [row_of(words, each, departments, agent=access.agent.name, now=now) for each in found.callbacks]
    calls = [call_row(words, each, departments, now=now) for each in found.calls]
    shown = text if term.words else ""
    values: dict[str, Any] = {"rows": rows, "calls": calls, "text": shown, "may_work": True, "demo_phone": None}
    return render(request, "search.html", access, alert=None, **values)


def _refused(request: Request, access: PageWorker, text: str, error: DeskError) -> Response:
    status = 422 if isinstance(error, NothingToSearchFor) else 429
    alert = in_words(words_for(request), error)
    values: dict[str, Any] = {"rows": None, "calls": [], "text": text, "may_work": True, "alert": alert}
    return render(request, "search.html", access, status=status, **values)
