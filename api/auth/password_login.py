"""Log in with a password at a browser: by REST or on the console's page."""

from typing import Any, Final

from fastapi import Request, Response

from api.auth.access import PersonalAccess
from api.auth.cookies import DEVICE, SESSION
from api.auth.credentials import check_same_site
from api.auth.services import AuthServices
from api.web.middleware.trace import trace_of
from desk.access.actor import SYSTEM
from desk.accounts.errors import SecondFactorNeeded
from desk.accounts.login import LoginResult

UNKNOWN_ADDRESS: Final = "unknown"


async def log_in_by_password(
    request: Request, services: AuthServices, name: str, password: str, *, code: str | None
) -> LoginResult:
    """Open a session; the browser's previous one ends. `code`: of a second factor, or a recovery code.

    Raises CrossSite, WrongLogin, SecondFactorNeeded without a code where the account has one, TooManyTries, LoginsBusy.
    """
    check_same_site(request)
    before = services.cookies.read(request, SESSION)
    try:
        result = await services.logins.by_password(
            name,
            password,
            address=request.client.host if request.client else UNKNOWN_ADDRESS,
            device=services.cookies.read(request, DEVICE),
            code=code,
        )
    except SecondFactorNeeded:
        trace_of(request).why = f"password of {name}"  # the account's own name: its password was right
        raise
    trace_of(request).who = result.session.session.agent.name
    if result.by_recovery_code:
        trace_of(request).why = "recovery-code"
    if before is not None:
        await services.sessions.end(SYSTEM, before)
    return result


async def change_own_password(access: PersonalAccess[Any], old: str, new: str) -> LoginResult:
    """Change the person's password. All their sessions end, and a new one begins. Departments' names are no passwords.

    Raises WrongPassword, WeakPassword, TooManyTries, LoginsBusy, LeakedPasswordsFault.
    """
    departments = access.services.departments()
    words = [word for slug in departments for word in (slug, departments.get(slug).name)]
    services: AuthServices = access.services
    return await services.logins.change(access.session, old, new, words=words)


def set_cookies(response: Response, request: Request, services: AuthServices, result: LoginResult) -> None:
    """Set the session's cookie, and the one by which the browser is known at its next log-in."""
    services.cookies.set_session(response, request, result.session.token)
    services.cookies.set_device(response, request, result.device)
