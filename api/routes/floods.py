"""Floods: many first-time callers at once. What was marked is closed or kept, many at a time."""

from fastapi import APIRouter

from api.access import Worker
from api.openapi import API, problems
from api.routes.parameters import NO_DEPARTMENT, SlugPath
from api.schemas.floods import FloodOut
from api.web.audit_rules import audited
from desk.audit.actions import AuditAction

router = APIRouter(prefix=f"{API}/departments", tags=["departments"])


@router.post("/{slug}/flood/close", operation_id="closeFlood", responses=problems(NO_DEPARTMENT))
@audited(AuditAction.CLOSE_FLOOD)
async def close_flood(access: Worker, slug: SlugPath) -> FloodOut:
    """Close the callbacks of a suspected flood that wait, 200 at most; again while `left` is not 0.

    List them first: `GET /callbacks?suspected=true`. Anyone of them who calls again gets a new callback.
    """
    return FloodOut.of(await access.services.callbacks.floods.close(access.actor, slug))


@router.post("/{slug}/flood/keep", operation_id="keepFlood", responses=problems(NO_DEPARTMENT))
@audited(AuditAction.KEEP_FLOOD)
async def keep_flood(access: Worker, slug: SlugPath) -> FloodOut:
    """Remove the mark from the callbacks that wait, 200 at most: real patients, who count against the capacity."""
    return FloodOut.of(await access.services.callbacks.floods.keep(access.actor, slug))
