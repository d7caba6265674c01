"""Logging in and out, sessions, and your own password."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from api.access import AgentQuery, InAnySession, InSession, check_manages
from api.auth.password_login import change_own_password, log_in_by_password, set_cookies
from api.openapi import API, problems
from api.routes.parameters import Number
from api.schemas.sessions import LogInIn, PasswordIn, SessionItemOut, SessionList, SessionOut
from api.services import Services, services_of
from api.web.audit_rules import audited
from api.web.middleware.trace import trace_of
from api.web.problems import Fields, Statuses
from api.web.request_checks import check_request
from desk.access.permissions import Permission
from desk.accounts.errors import (
    AgentDisabled,
    AgentNameTaken,
    AgentNotFound,
    GrantNotFound,
    LeakedPasswordsFault,
    LogInAgain,
    LoginsBusy,
    SessionNotFound,
    WeakPassword,
    WrongLogin,
    WrongPassword,
)
from desk.accounts.login import LoginResult
from desk.accounts.sessions.model import Session, csrf_of
from desk.audit.actions import AuditAction
from desk.limits.errors import TooManyTries

router = APIRouter(prefix=API, tags=["session"])

STATUSES: Final[Statuses] = {
    WrongLogin: 401,
    WrongPassword: 403,
    LogInAgain: 403,
    AgentDisabled: 403,
    AgentNotFound: 404,
    GrantNotFound: 404,
    SessionNotFound: 404,
    AgentNameTaken: 409,
    WeakPassword: 422,
    TooManyTries: 429,
    LoginsBusy: 503,
    LeakedPasswordsFault: 503,
}
FIELDS: Final[Fields] = {WeakPassword: ("body", "#/new")}

TOO_MANY = (429, "Too many failed attempts. Wait for the seconds in Retry-After.")


@router.post(
    "/session",
    operation_id="logIn",
    status_code=201,
    responses=problems(TOO_MANY),
    dependencies=[Depends(check_request)],
)
@audited(AuditAction.LOG_IN)
async def log_in(
    body: LogInIn, request: Request, response: Response, services: Annotated[Services, Depends(services_of)]
) -> SessionOut:
    """Log in with a password, and with a code where the account has a second factor (else 401 `second-factor-needed`).

    The browser's previous session ends.
    """
    logged_in = await log_in_by_password(request, services, body.name, body.password, code=body.code)
    return _with_cookies(response, request, services, logged_in)


@router.get("/session", operation_id="getSession", responses=problems())
@audited(AuditAction.GET_SESSION)
async def current(access: InAnySession) -> SessionOut:
    """Return who is logged in, until when, and the CSRF token of this session."""
    return _out(access.services, access.session, csrf_of(access.secret))


@router.delete("/session", operation_id="logOut", status_code=204, responses=problems())
@audited(AuditAction.LOG_OUT)
async def log_out(access: InAnySession, request: Request, response: Response) -> None:
    """Log out of this session."""
    await access.services.sessions.end(access.acting(Permission.SIGN_IN), access.secret)
    access.services.live.check_access()
    access.services.cookies.log_out(response, request)


@router.delete("/sessions", operation_id="logOutEverywhere", status_code=204, responses=problems())
@audited(AuditAction.LOG_OUT_EVERYWHERE)
async def log_out_everywhere(access: InSession, request: Request, response: Response) -> None:
    """Log out of all your sessions. This requires a log-in within the last ten minutes."""
    access.require_recent()
    await access.services.sessions.end_all(access.acting(Permission.SIGN_IN), access.agent.name)
    access.services.live.check_access()
    access.services.cookies.log_out(response, request)


@router.get(
    "/sessions",
    operation_id="listSessions",
    responses=problems((404, "There is no such agent within your departments.")),
)
@audited(AuditAction.LIST_SESSIONS)
async def list_sessions(access: InSession, agent: AgentQuery = None) -> SessionList:
    """List your 200 newest sessions, newest first."""
    check_manages(access.agent, agent)
    found = await access.services.sessions.list(access.acting(Permission.MANAGE), agent)
    return SessionList(items=[SessionItemOut.of(each, access.session.id) for each in found])


@router.delete(
    "/sessions/{number:int}",
    operation_id="endSession",
    status_code=204,
    responses=problems((404, "There is no such session of yours to end.")),
)
@audited(AuditAction.END_SESSION)
async def end_session(number: Number, access: InSession, request: Request, response: Response) -> None:
    """End a session: your own or, with `manage`, one of an agent in your departments.

    Ending any session but this one requires a log-in within the last ten minutes.
    """
    trace_of(request).why = f"session:{number}"
    here = number == access.session.id
    if not here:
        access.require_recent()
    await access.services.sessions.end_one(access.acting(Permission.MANAGE), number)
    access.services.live.check_access()
    if here:
        access.services.cookies.log_out(response, request)


@router.post("/session/password", operation_id="changePassword", responses=problems(TOO_MANY))
@audited(AuditAction.CHANGE_PASSWORD)
async def change_password(access: InAnySession, body: PasswordIn, request: Request, response: Response) -> SessionOut:
    """Change your password. All your sessions end, and the response starts a new one."""
    changed = await change_own_password(access, body.old, body.new)
    return _with_cookies(response, request, access.services, changed)


def _with_cookies(response: Response, request: Request, services: Services, logged_in: LoginResult) -> SessionOut:
    new = logged_in.session
    set_cookies(response, request, services, logged_in)
    return _out(services, new.session, new.csrf)


def _out(services: Services, session: Session, csrf: str) -> SessionOut:
    scope = session.agent.scope(Permission.SIGN_IN)
    departments = [slug for slug in services.departments() if scope.covers(slug)]
    return SessionOut.of_session(session, session.agent, departments, csrf)
