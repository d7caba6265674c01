"""A person's own settings: language, password, second factor, sessions and tokens."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import Response

from api.auth.password_login import change_own_password, set_cookies
from api.console.access import InAnySession, InSession
from api.console.answers import in_words, load, on_to
from api.console.rendering import render, words_for
from api.console.words import LANGUAGE_COOKIE
from api.schemas.tokens import LABEL
from api.web.audit_rules import audited, unaudited
from api.web.middleware.trace import trace_of
from desk.access.permissions import Permission
from desk.accounts.errors import (
    AgentAtProvider,
    LeakedPasswordsFault,
    LogInAgain,
    LoginsBusy,
    TooManyTokens,
    WeakPassword,
    WrongPassword,
)
from desk.accounts.sessions.model import LoginSource
from desk.audit.actions import AuditAction
from desk.errors import DeskError
from desk.limits.errors import TooManyTries

router = APIRouter(prefix="/settings", include_in_schema=False)

YEAR = 365 * 24 * 3600
MOST_TOKENS = 200
Secret = Annotated[str, Form(min_length=1, max_length=1000)]
Number = Annotated[int, Path(ge=0, le=9_999_999)]


@router.get("")
@audited(AuditAction.LIST_SESSIONS)
async def settings(request: Request, access: InSession) -> Response:
    """Show the settings."""
    return await _page(request, access)


@router.post("/language")
@unaudited("a choice of language in one browser")
async def choose_language(
    request: Request, access: InAnySession, language: Annotated[Literal["nb", "nn", "en"], Form()]
) -> Response:
    """Remember the language in this browser."""
    answer = load(request, "/settings")
    secure = request.url.scheme == "https"
    answer.set_cookie(LANGUAGE_COOKIE, language, max_age=YEAR, path="/", secure=secure, httponly=True, samesite="lax")
    return answer


@router.post("/password")
@audited(AuditAction.CHANGE_PASSWORD)
async def change_password(request: Request, access: InSession, old: Secret, new: Secret) -> Response:
    """Change the password. All other sessions of the person end."""
    try:
        result = await change_own_password(access, old, new)
    except (WrongPassword, WeakPassword, TooManyTries, LoginsBusy, LeakedPasswordsFault) as error:
        return await _page(request, access, error=error)
    answer = load(request, "/settings")
    set_cookies(answer, request, access.services, result)
    return answer


@router.post("/second-factor/remove")
@audited(AuditAction.REMOVE_SECOND_FACTOR)
async def remove_factor(request: Request, access: InSession) -> Response:
    """Remove the second factor. All sessions of the person end, this one too."""
    try:
        access.require_recent()
        await access.services.second_factors.remove(access.acting(Permission.MANAGE), access.agent.name)
    except DeskError as error:
        return await _page(request, access, error=error)
    trace_of(request).why = f"second factor of {access.agent.name}"
    answer = load(request, "/log-in")
    access.services.cookies.log_out(answer, request)
    return answer


@router.post("/sessions/end")
@audited(AuditAction.LOG_OUT_EVERYWHERE)
async def end_all(request: Request, access: InSession) -> Response:
    """Log out everywhere, here too."""
    try:
        access.require_recent()
    except LogInAgain as error:
        return await _page(request, access, error=error)
    await access.services.sessions.end_all(access.acting(Permission.SIGN_IN), access.agent.name)
    access.services.live.check_access()
    answer = load(request, "/log-in")
    access.services.cookies.log_out(answer, request)
    return answer


@router.post("/sessions/{number:int}/end")
@audited(AuditAction.END_SESSION)
async def end_session(request: Request, access: InSession, number: Number) -> Response:
    """End one of the person's other sessions."""
    trace_of(request).why = f"session:{number}"
    try:
        access.require_recent()
        await access.services.sessions.end_one(access.acting(Permission.SIGN_IN), number)
        access.services.live.check_access()
    except DeskError as error:
        return await _page(request, access, error=error)
    return on_to("/settings")


@router.post("/tokens")
@audited(AuditAction.ADD_TOKEN)
async def add_token(
    request: Request, access: InSession, label: Annotated[str, Form(min_length=1, max_length=64, pattern=LABEL)]
) -> Response:
    """Make a token with all the person's access, and show its secret, once."""
    try:
        access.require_recent()
        actor = access.acting(Permission.SIGN_IN)
        new = await access.services.token_management.issue(actor, access.agent, label)
    except (LogInAgain, AgentAtProvider, TooManyTokens) as error:
        return await _page(request, access, error=error)
    trace_of(request).why = f"token:{new.token.id} {new.token.scope}"
    notice = words_for(request)("settings.token_made", label=new.token.label)
    return await _page(request, access, notice=notice, secret=new.secret)


@router.post("/tokens/{number:int}/revoke")
@audited(AuditAction.REVOKE_TOKEN)
async def revoke_token(request: Request, access: InSession, number: Number) -> Response:
    """Revoke one of the person's tokens."""
    trace_of(request).why = f"token:{number}"
    await access.services.token_management.revoke(access.acting(Permission.SIGN_IN), number)
    return on_to("/settings")


async def _page(request: Request, access: InSession, *, error: DeskError | None = None, **more: Any) -> Response:
    services, own = access.services, access.acting(Permission.SIGN_IN)
    page = await services.token_management.page(own, agent=access.agent.name, limit=MOST_TOKENS)
    by_password = access.session.source is LoginSource.PASSWORD
    values = {
        "sessions": await services.sessions.list(own),
        "current": access.session.id,
        "tokens": page.items,
        "by_password": by_password,
        "factor": await services.second_factors.status(own, None) if by_password else None,
        "alert": in_words(words_for(request), error) if error else None,
        "notice": None,
        "secret": None,
    }
    return render(request, "settings.html", access, status=200 if error is None else _status(error), **values | more)


def _status(error: DeskError) -> int:
    return {TooManyTries: 429, LoginsBusy: 503, WeakPassword: 422, TooManyTokens: 409}.get(type(error), 403)
