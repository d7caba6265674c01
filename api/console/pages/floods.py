"""What agents do with a suspected flood: close or keep all of the marked callbacks of a department."""

from fastapi import APIRouter
from fastapi.responses import Response

from api.console.access import PageWorker
from api.console.answers import on_to
from api.console.fields import FormSlug
from api.web.audit_rules import audited
from desk.audit.actions import AuditAction

router = APIRouter(prefix="/queue/flood", include_in_schema=False)


@router.post("/close")
@audited(AuditAction.CLOSE_FLOOD)
async def close_flood(access: PageWorker, department: FormSlug) -> Response:
    """Close the marked callbacks that wait in the department, 200 at most."""
    await access.services.callbacks.floods.close(access.actor, department)
    return on_to("/queue")


@router.post("/keep")
@audited(AuditAction.KEEP_FLOOD)
async def keep_flood(access: PageWorker, department: FormSlug) -> Response:
    """Remove the mark from those that wait in the department, 200 at most."""
    await access.services.callbacks.floods.keep(access.actor, department)
    return on_to("/queue")
