"""The signed-in agent."""

from fastapi import APIRouter

from api.access import SignedInAnyhow
from api.openapi import API, problems
from api.schemas.agents import MeOut
from api.web.audit_rules import audited
from desk.audit.actions import AuditAction

router = APIRouter(prefix=API, tags=["agents"])


@router.get("/me", operation_id="getMe", responses=problems())
@audited(AuditAction.ME)
async def me(access: SignedInAnyhow) -> MeOut:
    """Return the signed-in agent, and the departments it may use."""
    return MeOut.of(access.agent, access.departments())
