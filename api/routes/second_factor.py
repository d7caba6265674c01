"""One's own second factor: set it up, see whether there is one, remove it; and who manages access, other people's."""

from typing import Final

from fastapi import APIRouter, Request, Response

from api.auth import cookies
from api.auth.access import AgentQuery, InOneToAdd, InSession, check_manages
from api.openapi import API, problems
from api.schemas.second_factors import CodeIn, SecondFactorAddedOut, SecondFactorOut, SecondFactorStartedOut
from api.schemas.sessions import SessionOut
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

router = APIRouter(prefix=f"{API}/second-factor", tags=["session"])

STATUSES: Final[Statuses] = {
    SecondFactorNeeded: 401,
    WrongCode: 403,
    SecondFactorElsewhere: 403,
    SecondFactorNotFound: 404,
    SecondFactorNotStarted: 409,
}

NO_AGENT = (404, "There is no such agent within your departments.")


@router.get("", operation_id="get_second_factor", responses=problems(NO_AGENT))
async def second_factor(access: InOneToAdd, agent: AgentQuery = None) -> SecondFactorOut:
    """Whether your log-in needs a second factor, and how many recovery codes are left."""
    check_manages(access.agent, agent)
    return SecondFactorOut.of(await access.services.second_factors.state(access.agent, agent))


@router.post("", operation_id="start_second_factor", status_code=201, responses=problems())
async def start_second_factor(access: InOneToAdd) -> SecondFactorStartedOut:
    """Begin to set one up: what your authenticator needs. Within fifteen minutes, show a code of it to `confirm`.

    Needs a log-in of the last ten minutes. One you have holds until then, and is replaced by this one.
    """
    started = await access.services.second_factors.start(access.session)
    return SecondFactorStartedOut(secret=started.secret, address=started.address)


@router.post(
    "/confirm",
    operation_id="confirm_second_factor",
    responses=problems((409, "None is being set up, or it took too long.")),
)
async def confirm_second_factor(
    access: InOneToAdd, body: CodeIn, request: Request, response: Response
) -> SecondFactorAddedOut:
    """The code your authenticator shows: your log-in needs one from now on. All your sessions end; here is another."""
    confirmed = await access.services.second_factors.confirm(access.session, body.code)
    opened = confirmed.opened
    cookies.keep_session(response, request, access.services.settings, opened.token)
    scope = opened.session.agent.scope(Permission.SIGN_IN)
    departments = [slug for slug in access.services.departments() if scope.covers(slug)]
    told = SessionOut.of_session(opened.session, opened.session.agent, departments, opened.csrf)
    return SecondFactorAddedOut(**dict(told), recovery_codes=confirmed.recovery_codes)


@router.delete(
    "",
    operation_id="remove_second_factor",
    status_code=204,
    responses=problems((404, "There is no such agent, or no second factor.")),
)
async def remove_second_factor(
    access: InSession, request: Request, response: Response, agent: AgentQuery = None
) -> None:
    """Remove yours, or with `manage` that of an agent within your departments: the account's sessions end at once.

    Needs a log-in of the last ten minutes. Make sure first who asks: the password alone opens the account then.
    """
    check_manages(access.agent, agent)
    access.require_recent()
    name = agent or access.agent.name
    trace_of(request).why = f"second factor of {name}"
    await access.services.second_factors.remove(name, by=access.agent)
    if name == access.agent.name:
        cookies.forget_session(response, request, access.services.settings)
