"""What authentication needs of the application's services."""

from collections.abc import Callable
from typing import Protocol

from fastapi import Request

from api.auth.cookies import Cookies
from api.auth.oidc.single_sign_on import SingleSignOn
from api.web.middleware.limits import RequestLimits
from desk.accounts.agents import Agents
from desk.accounts.login import Logins
from desk.accounts.sessions.service import Sessions
from desk.departments.departments import Departments


class AuthServices(Protocol):
    """The part of api/services.py that authentication uses."""

    @property
    def agents(self) -> Agents: ...

    @property
    def sessions(self) -> Sessions: ...

    @property
    def logins(self) -> Logins: ...

    @property
    def single_sign_on(self) -> SingleSignOn | None: ...

    @property
    def cookies(self) -> Cookies: ...

    @property
    def limits(self) -> RequestLimits: ...

    @property
    def departments(self) -> Callable[[], Departments]: ...


async def auth_services_of(request: Request) -> AuthServices:
    """The services of the application that answers.

    A coroutine, because FastAPI runs a plain function in a thread.
    """
    services: AuthServices = request.app.state.services
    return services
