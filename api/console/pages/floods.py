"""What agents do with a suspected flood: close or keep all of the marked callbacks of a department."""

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import Response

from api.console.access import PageWorker
from api.console.answers import on_to
from api.schemas.fields import SLUG
from api.web.audit_rules import audited
from desk.audit.actions import AuditAction

router = APIRouter(prefix="/queue/flood", include_in_schema=False)

Department = Annotated[str, Form(max_length=64, pattern=SLUG)]


@router.post("/close")
@audited(AuditAction.CLOSE_FLOOD)
async def close_flood(access: PageWorker, department: Department) -> Response:
    """Close the marked callbacks that wait in the department, 200 at most."""
    await access.services.callbacks.floods.close(access.actor, department)
    return on_to("/queue")


@router.post("/keep")
@audited(AuditAction.KEEP_FLOOD)
async def keep_flood(access: PageWorker, department: Department) -> Response:
    """Remove the mark from those that wait in the department, 200 at most."""
    await access.services.callbacks.floods.keep(access.actor, department)
    return on_to("/queue")
