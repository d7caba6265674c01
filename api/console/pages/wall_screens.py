"""The leader's wall screens: make one, put it on this screen, see and end them."""

from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import Response

from api.console.access import PageWallMaker
from api.console.answers import WALL_PAGE, in_words, load, on_to
from api.console.fields import FormSlug
from api.console.rendering import render, words_for
from api.schemas.tokens import LABEL
from api.web.audit_rules import audited
from api.web.middleware.trace import trace_of
from desk.access.agent import WALL_ONLY
from desk.access.permissions import Permission
from desk.accounts.errors import AgentAtProvider, LogInAgain, TooManyTokens
from desk.accounts.sessions.model import LoginSource
from desk.accounts.tokens.model import NewToken, TokenScope
from desk.audit.actions import AuditAction
from desk.errors import DeskError

router = APIRouter(prefix="/desk/wall-screens", include_in_schema=False)

DAYS: Final = (30, 90, 365)
MOST_SHOWN: Final = 200
Label = Annotated[str, Form(min_length=1, max_length=64, pattern=LABEL)]
Departments = Annotated[list[FormSlug], Form(min_length=1, max_length=50)]
Days = Annotated[int, Form(ge=1, le=DAYS[-1])]
NOT_MADE: Final = (LogInAgain, AgentAtProvider, TooManyTokens)
"""Why a token is not made; the page says so."""


@router.get("")
@audited(AuditAction.LIST_TOKENS)
async def wall_screens(request: Request, access: PageWallMaker) -> Response:
    """Show the person's wall screens, and the form for another."""
    return await _page(request, access)


@router.post("")
@audited(AuditAction.ADD_TOKEN)
async def add_screen(
    request: Request, access: PageWallMaker, label: Label, department: Departments, days: Days = 90
) -> Response:
    """Make a token for a wall screen, and show it, once."""
    try:
        new = await _made(request, access, label, department, days)
    except NOT_MADE as error:
        return await _page(request, access, error=error)
    return await _page(request, access, new=new)


@router.post("/here")
@audited(AuditAction.ADD_TOKEN)
async def show_here(
    request: Request, access: PageWallMaker, label: Label, department: Departments, days: Days = 90
) -> Response:
    """Make this browser a wall screen. The person is logged out: a wall must not hold a leader's session."""
    try:
        new = await _made(request, access, label, department, days)
    except NOT_MADE as error:
        return await _page(request, access, error=error)
    services = access.services
    await services.sessions.end(access.acting(Permission.SIGN_IN), access.credential.secret)
    services.live.check_access()
    answer = load(request, WALL_PAGE)
    services.cookies.log_out(answer, request)
    services.cookies.set_wall(answer, request, new.secret)
    return answer


@router.post("/{number:int}/revoke")
@audited(AuditAction.REVOKE_TOKEN)
async def revoke_screen(
    request: Request, access: PageWallMaker, number: Annotated[int, Path(ge=0, le=9_999_999)]
) -> Response:
    """Revoke a wall screen. It shows nothing more within seconds."""
    trace_of(request).why = f"token:{number}"
    await access.services.token_management.revoke(access.acting(Permission.SIGN_IN), number)
    access.services.live.check_access()
    return on_to("/desk/wall-screens")


async def _made(request: Request, access: PageWallMaker, label: str, slugs: list[str], days: int) -> NewToken:
    """Make the token. Raises LogInAgain, DepartmentNotAllowed, DepartmentNotFound, AgentAtProvider, TooManyTokens."""
    services, session = access.services, access.credential.session
    assert session is not None, "a page is shown to a person who is logged in"
    services.sessions.require_recent(session)
    access.looking(slugs)
    scope = TokenScope(frozenset(slugs), WALL_ONLY)
    lasting = timedelta(days=days)
    new = await services.token_management.issue(access.actor, access.agent, label, scope=scope, lasting=lasting)
    trace_of(request).why = f"token:{new.token.id} {new.token.scope}"
    return new


async def _page(
    request: Request, access: PageWallMaker, *, error: DeskError | None = None, new: NewToken | None = None
) -> Response:
    services, own = access.services, access.acting(Permission.SIGN_IN)
    page = await services.token_management.page(own, agent=access.agent.name, limit=MOST_SHOWN)
    departments, session = services.departments(), access.credential.session
    return render(
        request,
        "wall_screens.html",
        access,
        status=200 if error is None else 409 if isinstance(error, TooManyTokens) else 403,
        screens=[each for each in page.items if each.scope.is_wall_screen],
        departments=[departments.get(slug) for slug in access.departments()],
        names={slug: departments.get(slug).name for slug in departments},
        days=DAYS,
        by_password=session is not None and session.source is LoginSource.PASSWORD,
        new=new,
        now=services.clock.now(),
        alert=in_words(words_for(request), error) if error else None,
    )
