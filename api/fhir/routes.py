"""Callbacks for a record system: read-only FHIR R4. docs/fhir.md says how to use it.

The routes are not in the OpenAPI document: FHIR's clients read the CapabilityStatement, and FHIR defines the bodies.
"""

from collections.abc import Awaitable
from importlib.metadata import version
from typing import Annotated, TypeVar

from fastapi import APIRouter, FastAPI, Form, Path, Query, Request
from fastapi.responses import Response

from api.access import Access, Reader
from api.fhir.bundles import BASE, searchset
from api.fhir.capabilities import capability_statement
from api.fhir.communications import communication_of
from api.fhir.errors import STATUSES, FormNeeded, OrganizationNotFound
from api.fhir.formats import JsonOnly, check_format, is_known, respond, unchanged
from api.fhir.identifiers import DEPARTMENT
from api.fhir.outcomes import write_outcome
from api.fhir.person import read_person
from api.fhir.search import CommunicationSearch, TaskSearch, TaskSearchForm
from api.fhir.tasks import task_of
from api.schemas.fields import SLUG, CallbackPath
from api.web.audit_rules import audited, unaudited
from api.web.errors import RoleNotAllowed
from api.web.middleware.trace import trace_of
from api.web.problems import register, write_problems_below
from desk.access.actor import Actor
from desk.access.permissions import Permission
from desk.audit.actions import AuditAction
from desk.callbacks.records import CallbackRecord
from desk.callbacks.search import SearchTerm
from desk.inquiries.model import InquiryFilter
from desk.limits.errors import TooManyNumbers
from desk.numbers.identity_number import IdentityNumber

T = TypeVar("T")
FORM = "application/x-www-form-urlencoded"

router = APIRouter(prefix=BASE, include_in_schema=False)

SmsPath = Annotated[int, Path(ge=0, le=9_999_999)]
DepartmentPath = Annotated[str, Path(max_length=64, pattern=SLUG)]


def add_fhir(app: FastAPI) -> None:
    """Add the routes. Every error below their address is an OperationOutcome."""
    app.include_router(router)
    register(app, STATUSES)
    write_problems_below(app, f"{BASE}/", write_outcome)


@router.get("/metadata")
@unaudited("what the door offers; the same for everyone")
async def metadata(_json: JsonOnly) -> Response:
    """Return the CapabilityStatement."""
    return await respond(capability_statement(version("innringing")))


@router.get("/Task")
@audited(AuditAction.FHIR_LIST_TASKS, listed=True)
async def list_tasks(request: Request, access: Reader, search: Annotated[TaskSearch, Query()]) -> Response:
    """List callbacks, oldest first. Identity numbers are masked: read a Task, or search by the number."""
    check_format(request, search.named_format)
    return await _listed(request, access, search)


@router.post("/Task/_search")
@audited(AuditAction.FHIR_FIND_TASKS)
async def find_tasks(request: Request, access: Reader, search: Annotated[TaskSearchForm, Form()]) -> Response:
    """Search by a form: as `GET /Task`, and by a patient's identity number. Such a search counts as one number shown.

    The person is found among the departments whose identity numbers the agent may see.
    """
    if request.headers.get("content-type", FORM).partition(";")[0].strip().lower() != FORM:
        raise FormNeeded
    check_format(request, search.named_format)
    if search.person is None:
        return await _listed(request, access, search)
    if not access.agent.may(Permission.WORK):
        raise RoleNotAllowed
    settings = access.services.settings
    number = read_person(search.person, allow_test=settings.demo, allow_h=settings.numbers.enable_h_numbers)
    actor = _narrowed(request, access, access.acting(Permission.WORK), search)
    callbacks = access.services.callbacks
    hits = await _counting(access, callbacks.search.find(actor, SearchTerm(identity=number)))
    found = [each for each in await callbacks.records.dated(actor, hits.callbacks) if _fits(each, search.filters())]
    departments = access.services.departments()
    tasks = [task_of(each, departments, number=number) for each in found[: search.limit]]
    return await respond(searchset(request, "Task", search.query(), tasks, next_cursor=None, total=len(found)))


@router.get("/Task/{id:uuid}")
@audited(AuditAction.FHIR_READ_TASK)
async def read_task(id: CallbackPath, request: Request, access: Reader, _json: JsonOnly) -> Response:
    """Read a callback. An agent who may see its identity number gets it, and that is recorded and counted."""
    record = await access.services.callbacks.records.get(access.actor, id)
    callback = record.callback
    if is_known(request, str(callback.version)):
        return unchanged(str(callback.version))
    number = None
    if callback.patient_masked and not callback.identity_doubtful:
        number = await _number_of(access, record)
    task = task_of(record, access.services.departments(), number=number)
    return await respond(task, changed_at=record.changed_at)


@router.get("/Communication")
@audited(AuditAction.FHIR_LIST_SMS, listed=True)
async def list_communications(
    request: Request, access: Reader, search: Annotated[CommunicationSearch, Query()]
) -> Response:
    """List the SMS that were written to patients, oldest first, without their words."""
    check_format(request, search.named_format)
    filters = search.filters()
    access.trail.saw(*filters.inquiries or ())
    page = await access.services.outbox.page(access.reading(), filters, cursor=search.place, limit=search.limit)
    departments = access.services.departments()
    found = [communication_of(each, departments) for each in page.items]
    return await respond(searchset(request, "Communication", search.query(), found, next_cursor=page.next_cursor))


@router.get("/Communication/{number:int}")
@audited(AuditAction.FHIR_READ_SMS)
async def read_communication(number: SmsPath, access: Reader, _json: JsonOnly) -> Response:
    """Read what became of an SMS."""
    sms = await access.services.outbox.get(access.actor, number)
    return await respond(communication_of(sms, access.services.departments()), changed_at=sms.changed_at)


@router.get("/Organization/{slug}")
@unaudited("the name of a department; no one's data")
async def read_organization(slug: DepartmentPath, access: Reader, _json: JsonOnly) -> Response:
    """Read one of the agent's departments."""
    if slug not in access.departments():
        raise OrganizationNotFound
    identifier = {"system": DEPARTMENT, "value": slug}
    name = access.services.departments().get(slug).name
    return await respond({"resourceType": "Organization", "id": slug, "identifier": [identifier], "name": name})


async def _listed(request: Request, access: Access, search: TaskSearch) -> Response:
    actor = _narrowed(request, access, access.actor, search)
    records = access.services.callbacks.records
    page = await records.page(actor, search.filters(), cursor=search.place, limit=search.limit)
    tasks = [task_of(each, access.services.departments()) for each in page.items]
    return await respond(searchset(request, "Task", search.query(), tasks, next_cursor=page.next_cursor))


def _narrowed(request: Request, access: Access, actor: Actor, search: TaskSearch) -> Actor:
    """The actor within the departments of the search. The callbacks it names are on the trail, found or not.

    Raises DepartmentNotAllowed, DepartmentNotFound.
    """
    actor.trail.saw(*search.filters().ids or ())
    named = search.departments
    if named is None:
        return actor.within(actor.scope.within(access.departments()))
    for slug in named:
        actor.require(slug)
        access.services.departments().get(slug)
    if len(named) == 1:
        trace_of(request).department = named[0]
    return actor.within(actor.scope.within(named))


async def _number_of(access: Access, record: CallbackRecord) -> IdentityNumber | None:
    """The whole identity number, if the agent may see it in that department. Raises TooManyNumbers."""
    actor = access.acting(Permission.WORK)
    if not actor.scope.covers(record.callback.department):
        return None
    return await _counting(access, access.services.callbacks.identity_reveal.reveal(actor, record.callback.id))


async def _counting(access: Access, shown: Awaitable[T]) -> T:
    """Await what shows an identity number; a refusal by the hourly limit is counted."""
    try:
        return await shown
    except TooManyNumbers:
        access.services.metrics.count_limited("numbers")
        raise


def _fits(record: CallbackRecord, filters: InquiryFilter) -> bool:
    """Whether a callback of the person fits the other parameters of the search."""
    callback, closed_for = record.callback, filters.closed_for
    return (
        (filters.status is None or callback.status in filters.status)
        and (closed_for is None or callback.closed_reason is None or callback.closed_reason in closed_for)
        and (filters.ids is None or callback.id in filters.ids)
        and (filters.changed_since is None or record.changed_at >= filters.changed_since)
        and (filters.changed_before is None or record.changed_at < filters.changed_before)
    )
