"""Search for callbacks."""

from typing import Final

from fastapi import APIRouter

from api.access import Worker
from api.openapi import API, problems
from api.routes.revealing import LIMITED
from api.schemas.callbacks import CallbackOut
from api.schemas.calls import CallOut
from api.schemas.search import SearchIn, SearchResult
from api.web.audit_rules import audited
from api.web.problems import Fields, Statuses
from desk.audit.actions import AuditAction
from desk.callbacks.errors import NothingToSearchFor
from desk.callbacks.search import read_term

router = APIRouter(prefix=f"{API}/search", tags=["callbacks"])

STATUSES: Final[Statuses] = {NothingToSearchFor: 422}
FIELDS: Final[Fields] = {NothingToSearchFor: ("body", "#/text")}


@router.post("", operation_id="searchCallbacks", responses=problems(LIMITED))
@audited(AuditAction.SEARCH)
async def search(body: SearchIn, access: Worker) -> SearchResult:
    """Find the callbacks and incomplete calls of someone who is on the phone.

    Each search by identity number is recorded, and is limited.
    """
    settings = access.services.settings
    term = read_term(body.text, allow_test=settings.demo, allow_h=settings.numbers.enable_h_numbers)
    found = await access.services.callbacks.search.find(access.actor, term)
    return SearchResult(
        items=[CallbackOut.of(each) for each in found.callbacks], calls=[CallOut.of(each) for each in found.calls]
    )
