"""Logging in at the hospital's own provider. Addresses for browsers and for the provider, not for programs of ours."""

from typing import Annotated, Final
from urllib.parse import parse_qs

import structlog
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.auth.cookies import SESSION
from api.auth.oidc.errors import LoginError, LoginNotRequested, LogoutTokenNotValid, SingleSignOnOff
from api.auth.oidc.login_flow import LASTS, AuthorizationResponse
from api.auth.oidc.pages import page, question, wants_page
from api.auth.oidc.single_sign_on import SingleSignOn
from api.openapi import API
from api.services import Services, services_of
from api.web.audit_rules import audited
from api.web.middleware.trace import trace_of
from api.web.problems import registered
from desk.accounts.errors import AgentDisabled, AgentNameTaken
from desk.audit.actions import AuditAction
from desk.errors import DeskError

LOGIN_COOKIE: Final = "innringing-login"

log = structlog.get_logger(__name__)

router = APIRouter(prefix=f"{API}/login/oidc", tags=["login"], include_in_schema=False)

Inside = Annotated[Services, Depends(services_of)]
Short = Annotated[str | None, Query(max_length=500)]
Long = Annotated[str | None, Query(max_length=4000)]


@router.get("")
@audited(AuditAction.BEGIN_LOG_IN)
async def begin_log_in(request: Request, services: Inside, after: Short = None) -> Response:
    """To the provider, for who clicked on a page of ours; others get such a page. `after`: the page to come back to.

    Else any page, or a mail, could begin a session in somebody's browser by a link, where the provider asks nothing.
    """
    try:
        single_sign_on = _single_sign_on(services)
        if not was_clicked_here(request):
            if wants_page(request):
                return question(after)
            raise LoginNotRequested("not-asked-for")
        # Now, for the browser does not bring the session's cookie when another site, the provider, sends it back.
        before = services.cookies.read(request, SESSION)
        sent = await single_sign_on.start(after, before)
    except LoginError as error:
        return _refused(request, error)
    answer = RedirectResponse(sent.address, status_code=303)
    name, secure = _cookie(services)
    answer.set_cookie(
        name, sent.cookie, max_age=int(LASTS.total_seconds()), path="/", secure=secure, httponly=True, samesite="lax"
    )
    return answer


@router.get("/callback")
@audited(AuditAction.FINISH_LOG_IN)
async def finish_log_in(
    request: Request,
    services: Inside,
    code: Long = None,
    state: Short = None,
    iss: Short = None,
    error: Short = None,
) -> Response:
    """Back from the provider, and on at once to an address without code and state."""
    name, secure = _cookie(services)
    try:
        response = AuthorizationResponse(state=state, code=code, iss=iss, error=error)
        result = await _single_sign_on(services).finish(response, request.cookies.get(name))
    except (LoginError, AgentDisabled, AgentNameTaken) as refusal:
        answer = _refused(request, refusal)
    else:
        agent = result.session.session.agent.name
        trace_of(request).who = agent
        log.info("logged in at the provider", agent=agent)
        answer = RedirectResponse(result.after, status_code=303)
        services.cookies.set_session(answer, request, result.session.token)
    answer.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="lax")
    return answer


@router.post("/backchannel-logout")
@audited(AuditAction.LOG_OUT_FROM_PROVIDER)
async def log_out_from_provider(request: Request, services: Inside) -> Response:
    """End the sessions of someone who logged out at the provider (OpenID Connect Back-Channel Logout 1.0)."""
    single_sign_on = _single_sign_on(services)
    try:
        given = parse_qs((await request.body()).decode("ascii")).get("logout_token", [])
        if len(given) != 1:
            raise LogoutTokenNotValid("no-token")
        ended = await single_sign_on.logged_out(given[0])
    except (UnicodeDecodeError, ValueError):
        raise LogoutTokenNotValid("no-token") from None
    except LoginError as error:
        log.warning("a logout was refused", reason=error.reason)
        raise
    log.info("logged out at the provider", sessions=ended)
    return Response(status_code=200, headers={"Cache-Control": "no-store"})


def was_clicked_here(request: Request) -> bool:
    """Whether a person's own click or key on a page of ours brought the browser here.

    The browser says so (W3C Fetch Metadata), and no page can say it in its place.
    """
    told = request.headers
    return told.get("sec-fetch-site") == "same-origin" and told.get("sec-fetch-user") == "?1"


def _single_sign_on(services: Services) -> SingleSignOn:
    if services.single_sign_on is None:
        raise SingleSignOnOff("off")
    return services.single_sign_on


def _refused(request: Request, error: LoginError | DeskError) -> Response:
    """A page for a browser; for a program the problem document that any error becomes."""
    reason = error.reason if isinstance(error, LoginError) else error.id
    log.warning("a log-in was refused", reason=reason)
    trace_of(request).why = reason
    if not wants_page(request):
        raise error
    return page(request, error, registered(request.app)[type(error)])


def _cookie(services: Services) -> tuple[str, bool]:
    """(name, whether Secure) of the cookie of a log-in under way: only over http on this machine without Secure."""
    secure = services.settings.oidc.redirect_uri.startswith("https://")
    return (f"__Host-{LOGIN_COOKIE}" if secure else LOGIN_COOKIE), secure
