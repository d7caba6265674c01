"""The pages before work can begin: log in, choose a password of one's own, add a required second factor."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import Response

from api.auth.cookies import is_from_here
from api.auth.credentials import check_same_site
from api.auth.password_login import change_own_password, log_in_by_password, set_cookies
from api.console.access import InAnySession, InOneToAdd, PageVisitor
from api.console.answers import in_words, load, on_to
from api.console.enrolment import qr_code
from api.console.rendering import render, words_for
from api.services import Services, services_of
from api.web.audit_rules import audited, unaudited
from api.web.errors import NotSignedIn
from api.web.middleware.trace import trace_of
from api.web.text import PLAIN_TEXT
from desk.access.actor import SYSTEM
from desk.access.permissions import Permission
from desk.accounts.errors import (
    LeakedPasswordsFault,
    LogInAgain,
    LoginsBusy,
    SecondFactorNeeded,
    SecondFactorNotStarted,
    WeakPassword,
    WrongCode,
    WrongLogin,
    WrongPassword,
)
from desk.accounts.sessions.model import LoginSource, Session
from desk.audit.actions import AuditAction
from desk.errors import DeskError
from desk.limits.errors import TooManyTries
from desk.settings.oidc import is_local_path

router = APIRouter(include_in_schema=False)

Inside = Annotated[Services, Depends(services_of)]
After = Annotated[str, Query(max_length=500)]
AfterField = Annotated[str, Form(max_length=500)]
Secret = Annotated[str, Form(min_length=1, max_length=1000)]
Code = Annotated[str, Form(max_length=64)]
DEMO_AGENT: Final = "demo"
FIRST_PAGE: Final = "/queue"
FIRST_PASSWORD: Final = "/log-in/password"
REQUIRED_FACTOR: Final = "/log-in/second-factor"


@router.get("/")
@unaudited("leads to the first page")
async def first_page() -> Response:
    """Lead to the queue, which leads to the log-in anyone who needs one."""
    return on_to(FIRST_PAGE)


@router.get("/log-in")
@unaudited("an empty form")
async def log_in_page(request: Request, services: Inside, after: After = "") -> Response:
    """Show the form, and single sign-on where the hospital has it."""
    return _form(request, services, after=after)


@router.post("/log-in")
@audited(AuditAction.LOG_IN)
async def log_in(
    request: Request,
    services: Inside,
    name: Annotated[str, Form(min_length=1, max_length=128, pattern=PLAIN_TEXT)],
    password: Secret,
    code: Code = "",
    after: AfterField = "",
) -> Response:
    """Log in. A form that is refused keeps the name; where a code is missing, it asks for one."""
    given = "".join(code.split()) or None
    try:
        result = await log_in_by_password(request, services, name, password, code=given)
    except SecondFactorNeeded as error:
        return _form(request, services, after=after, name=name, error=error, needs_code=True)
    except (WrongLogin, TooManyTries, LoginsBusy) as error:
        return _form(request, services, after=after, name=name, error=error, needs_code=given is not None)
    answer = load(request, _next_page(result.session.session, after))
    set_cookies(answer, request, services, result)
    return answer


@router.post("/log-in/demo")
@audited(AuditAction.LOG_IN)
async def log_in_demo(request: Request, services: Inside) -> Response:
    """Log in as the demo's agent, by one click: in the demo only, and only from this machine."""
    check_same_site(request)
    if not is_demo_here(services, request):
        raise NotSignedIn
    opened = await services.sessions.open(SYSTEM, DEMO_AGENT, source=LoginSource.PASSWORD)
    trace_of(request).who = DEMO_AGENT
    answer = load(request, FIRST_PAGE)
    services.cookies.set_session(answer, request, opened.token)
    return answer


@router.post("/log-out")
@audited(AuditAction.LOG_OUT)
async def log_out(request: Request, access: InAnySession) -> Response:
    """Log out of this session."""
    await access.services.sessions.end(access.acting(Permission.SIGN_IN), access.secret)
    access.services.live.check_access()
    answer = load(request, "/log-in")
    access.services.cookies.log_out(answer, request)
    return answer


@router.post("/session/stay", status_code=204)
@unaudited("a person is still there; nothing is shown")
async def stay(access: PageVisitor) -> None:
    """Prolong the session, as any other request does."""


@router.get(FIRST_PASSWORD)
@unaudited("an empty form")
async def first_password_page(request: Request, access: InAnySession, after: After = "") -> Response:
    """Show the form for a password of one's own."""
    return render(request, "first_password.html", access, after=after, alert=None)


@router.post(FIRST_PASSWORD)
@audited(AuditAction.CHANGE_PASSWORD)
async def choose_password(
    request: Request, access: InAnySession, old: Secret, new: Secret, after: AfterField = ""
) -> Response:
    """Change the password. All other sessions of the person end."""
    try:
        result = await change_own_password(access, old, new)
    except (WrongPassword, WeakPassword, TooManyTries, LoginsBusy, LeakedPasswordsFault) as error:
        message = in_words(words_for(request), error)
        return render(request, "first_password.html", access, status=422, after=after, alert=message)
    answer = load(request, _next_page(result.session.session, after))
    set_cookies(answer, request, access.services, result)
    return answer


@router.get(REQUIRED_FACTOR)
@unaudited("an empty form")
async def required_factor_page(request: Request, access: InOneToAdd) -> Response:
    """Explain the second factor, with a button that begins."""
    return render(request, "second_factor.html", access, enrolment=None, alert=None)


@router.post(REQUIRED_FACTOR)
@audited(AuditAction.START_SECOND_FACTOR)
async def start_factor(request: Request, access: InOneToAdd) -> Response:
    """Show the secret as a QR code and as letters, and ask for the first code."""
    try:
        enrolment = await access.services.second_factors.start(access.acting(Permission.SIGN_IN), access.session)
    except LogInAgain as error:
        message = in_words(words_for(request), error)
        return render(request, "second_factor.html", access, status=403, enrolment=None, alert=message)
    return _enrolment(request, access, enrolment.secret, enrolment.address)


@router.post(f"{REQUIRED_FACTOR}/confirm")
@audited(AuditAction.CONFIRM_SECOND_FACTOR)
async def confirm_factor(request: Request, access: InOneToAdd, code: Code, secret: Code, address: Secret) -> Response:
    """Confirm the second factor by its first code, and show the recovery codes, once."""
    actor = access.acting(Permission.SIGN_IN)
    try:
        result = await access.services.second_factors.confirm(actor, access.session, "".join(code.split()))
    except (WrongCode, TooManyTries) as error:
        return _enrolment(request, access, secret, address, error=error)
    except (SecondFactorNotStarted, LogInAgain) as error:
        message = in_words(words_for(request), error)
        return render(request, "second_factor.html", access, status=409, enrolment=None, alert=message)
    answer = render(request, "recovery_codes.html", codes=result.recovery_codes)
    access.services.cookies.set_session(answer, request, result.session.token)
    return answer


def _enrolment(
    request: Request, access: InOneToAdd, secret: str, address: str, *, error: DeskError | None = None
) -> Response:
    """The page with the QR code. The secret comes back with the form, so a wrong code does not begin again."""
    shown = {"secret": secret, "address": address, "qr": qr_code(address)}
    message = in_words(words_for(request), error) if error else None
    status = 422 if error else 200
    return render(request, "second_factor.html", access, status=status, enrolment=shown, alert=message)


def _form(
    request: Request,
    services: Services,
    *,
    after: str,
    name: str = "",
    error: DeskError | None = None,
    needs_code: bool = False,
) -> Response:
    answer = render(
        request,
        "log_in.html",
        status=_status(error),
        after=after if is_local_path(after) else "",
        name=name,
        needs_code=needs_code,
        alert=in_words(words_for(request), error) if error else None,
        asks_code=isinstance(error, SecondFactorNeeded),
        single_sign_on=services.single_sign_on is not None,
        demo=is_demo_here(services, request),
    )
    if error is not None and error.retry_after is not None:
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def _status(error: DeskError | None) -> int:
    return 200 if error is None else {TooManyTries: 429, LoginsBusy: 503}.get(type(error), 401)


def is_demo_here(services: Services, request: Request) -> bool:
    """Whether this is the demo, with its agent and a browser on this machine."""
    return services.settings.demo and is_from_here(request)


def _next_page(session: Session, after: str) -> str:
    if session.password_to_change:
        return FIRST_PASSWORD
    return REQUIRED_FACTOR if session.second_factor_to_add else _local(after)


def _local(after: str) -> str:
    return after if is_local_path(after) else FIRST_PAGE
