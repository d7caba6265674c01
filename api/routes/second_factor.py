"""Second factors: read, set up and remove your own, or another agent's with `manage`."""

from typing import Final

from fastapi import APIRouter, Request, Response

from api.access import AgentQuery, InOneToAdd, InSession, check_manages
from api.openapi import API, problems
from api.schemas.second_factors import CodeIn, EnrolmentOut, SecondFactorOut, SecondFactorSessionOut
from api.schemas.sessions import SessionOut
from api.web.audit_rules import audited
from api.web.middleware.trace import trace_of
from api.web.problems import Statuses
from desk.access.permissions import Permission
from desk.accounts.errors import (
    SecondFactorElsewhere,
    SecondFactorNeeded,
    SecondFactorNotFound,
    SecondFactorNotStarted,
    WrongCode,
)
from desk.audit.actions import AuditAction

router = APIRouter(prefix=f"{API}/second-factor", tags=["session"])

STATUSES: Final[Statuses] = {
    SecondFactorNeeded: 401,
    WrongCode: 403,
    SecondFactorElsewhere: 403,
    SecondFactorNotFound: 404,
    SecondFactorNotStarted: 409,
}

NO_AGENT = (404, "There is no such agent within your departments.")


@router.get("", operation_id="getSecondFactor", responses=problems(NO_AGENT))
@audited(AuditAction.SECOND_FACTOR)
async def second_factor(access: InOneToAdd, agent: AgentQuery = None) -> SecondFactorOut:
    """Return whether your log-in has a second factor, and how many recovery codes are left."""
    check_manages(access.agent, agent)
    return SecondFactorOut.of(await access.services.second_factors.status(access.acting(Permission.MANAGE), agent))


@router.post("", operation_id="startSecondFactor", status_code=201, responses=problems())
@audited(AuditAction.START_SECOND_FACTOR)
async def start_second_factor(access: InOneToAdd) -> EnrolmentOut:
    """Start adding a second factor, and return the secret for your authenticator. Confirm it within fifteen minutes.

    This requires a log-in within the last ten minutes. Your present second factor works until you confirm the new one.
    """
    enrolment = await access.services.second_factors.start(access.acting(Permission.SIGN_IN), access.session)
    return EnrolmentOut(secret=enrolment.secret, address=enrolment.address)


@router.post(
    "/confirm",
    operation_id="confirmSecondFactor",
    responses=problems((409, "No second factor is being added, or it took too long.")),
)
@audited(AuditAction.CONFIRM_SECOND_FACTOR)
async def confirm_second_factor(
    access: InOneToAdd, body: CodeIn, request: Request, response: Response
) -> SecondFactorSessionOut:
    """Confirm the second factor with a code. All your sessions end, and the response starts a new one."""
    result = await access.services.second_factors.confirm(access.acting(Permission.SIGN_IN), access.session, body.code)
    new = result.session
    access.services.cookies.set_session(response, request, new.token)
    scope = new.session.agent.scope(Permission.SIGN_IN)
    departments = [slug for slug in access.services.departments() if scope.covers(slug)]
    session = SessionOut.of_session(new.session, new.session.agent, departments, new.csrf)
    return SecondFactorSessionOut(**dict(session), recovery_codes=result.recovery_codes)


@router.delete(
    "",
    operation_id="removeSecondFactor",
    status_code=204,
    responses=problems((404, "There is no such agent, or no second factor.")),
)
@audited(AuditAction.REMOVE_SECOND_FACTOR)
async def remove_second_factor(
    access: InSession, request: Request, response: Response, agent: AgentQuery = None
) -> None:
    """Remove your second factor or, with `manage`, that of an agent in your departments. The account's sessions end.

    This requires a log-in within the last ten minutes. Verify the agent's identity first: afterwards the password
    alone opens the account.
    """
    check_manages(access.agent, agent)
    access.require_recent()
    name = agent or access.agent.name
    trace_of(request).why = f"second factor of {name}"
    await access.services.second_factors.remove(access.acting(Permission.MANAGE), name)
    if name == access.agent.name:
        access.services.cookies.log_out(response, request)
