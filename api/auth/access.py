"""Who asks, and what they may see: the one dependency every route of /api/v1 goes through.

Routes check no department: they hand `Access.scope` on to the desk, which can't be asked without one, and there it
becomes part of each statement.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import structlog
from fastapi import Depends, Query, Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from api.auth.cookies import SESSION
from api.auth.credentials import Credential, credential_of
from api.services import Services, services_of
from api.web.errors import NotSignedIn, PasswordMustBeChanged, RoleNotAllowed, SecondFactorMustBeAdded
from api.web.middleware.trace import trace_of
from api.web.text import PLAIN_TEXT
from desk.access.actor import Actor
from desk.access.agent import Agent
from desk.access.permissions import Permission, Scope
from desk.access.trail import Trail
from desk.accounts.sessions.service import Session

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="A token from `innringing agents add`. In the demo environment it is in var/demo-token.",
)
cookie = APIKeyCookie(
    name=f"__Host-{SESSION}",
    auto_error=False,
    scheme_name="session",
    description="A log-in, by POST /session. Whatever changes something needs its X-CSRF-Token too.",
)


@dataclass(frozen=True)
class Access:
    """A signed-in agent, and the services of the house seen with that agent's eyes.

    `scope` is where the agent has the permission the route asks for.
    """

    agent: Agent
    services: Services
    scope: Scope
    credential: Credential
    trail: Trail

    @property
    def actor(self) -> Actor:
        """The agent as the desk's services take them: bounded by `scope`, leaving the request's trail."""
        return Actor(self.agent.name, self.scope, self.trail)

    def reading(self, asked: str | Sequence[str] | None = None) -> Actor:
        """The actor within `looking(asked)`; raises what that raises."""
        return self.actor.within(self.looking(asked))

    def departments(self) -> Sequence[str]:
        """The agent's departments, in the order of the file."""
        return [slug for slug in self.services.departments() if self.scope.covers(slug)]

    def looking(self, asked: str | Sequence[str] | None = None) -> Scope:
        """The scope of a look at those departments, else at all the agent has.

        Raises DepartmentNotAllowed for one that is not the agent's, whether it exists or not; DepartmentNotFound for
        an unknown one asked for by an agent of all departments.
        """
        if asked is None:
            return self.scope.within(self.departments())
        named = [asked] if isinstance(asked, str) else asked
        for slug in named:
            self.scope.require(slug)
            self.services.departments().get(slug)
        return self.scope.within(named)


def trace(request: Request, credential: Credential, scope: Scope | None) -> None:
    """Tell the audit who asks, and by which session or token."""
    told = trace_of(request)
    told.who, told.scope, told.session = credential.agent.name, scope, credential.name
    told.role = ",".join(sorted({grant.role.value for grant in credential.agent.grants}))


@dataclass(frozen=True)
class OpenTo:
    """Log-ins that are for one thing alone, which a route takes all the same: with a first password, with a password
    alone where a second factor is asked for.
    """

    first_password: bool = False
    no_second_factor: bool = False

    def check(self, session: Session | None) -> None:
        """Raises PasswordMustBeChanged, SecondFactorMustBeAdded."""
        if session is None:
            return
        if session.password_to_change and not self.first_password:
            raise PasswordMustBeChanged
        if session.second_factor_to_add and not self.no_second_factor:
            raise SecondFactorMustBeAdded


WHOLE: Final = OpenTo()
ANYHOW: Final = OpenTo(first_password=True, no_second_factor=True)


def signed_in(permission: Permission, *, open_to: OpenTo = WHOLE) -> Callable[..., Awaitable[Access]]:
    """A dependency: somebody with a valid token or log-in whose role has `permission`.

    Raises NotSignedIn, CrossSite, RoleNotAllowed; what `open_to` raises.
    """

    async def dependency(
        request: Request,
        services: Annotated[Services, Depends(services_of)],
        credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
        _cookie: Annotated[str | None, Security(cookie)],  # for the OpenAPI document
    ) -> Access:
        credential = await credential_of(request, services, credentials)
        agent = credential.agent
        scope = agent.scope(permission)
        trace(request, credential, scope)
        open_to.check(credential.session)
        if not agent.may(permission):
            raise RoleNotAllowed
        structlog.contextvars.bind_contextvars(agent=agent.name)
        return Access(agent, services, scope, credential, trace_of(request).trail)

    return dependency


@dataclass(frozen=True)
class PersonsAccess:
    """Somebody logged in at a browser, whatever their roles: for what concerns only their own access."""

    agent: Agent
    services: Services
    session: Session
    secret: str

    def require_recent(self) -> None:
        """Raises LogInAgain unless the log-in is recent: who finds a session open may not do what asks this."""
        self.services.sessions.require_recent(self.session)


def logged_in(open_to: OpenTo = WHOLE) -> Callable[..., Awaitable[PersonsAccess]]:
    """A dependency: somebody at a browser.

    Raises NotSignedIn, also for a token: machines have no log-in; CrossSite; what `open_to` raises.
    """

    async def dependency(
        request: Request,
        services: Annotated[Services, Depends(services_of)],
        credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
        _cookie: Annotated[str | None, Security(cookie)],
    ) -> PersonsAccess:
        credential = await credential_of(request, services, credentials)
        if credential.session is None:
            raise NotSignedIn
        trace(request, credential, None)
        open_to.check(credential.session)
        structlog.contextvars.bind_contextvars(agent=credential.agent.name)
        return PersonsAccess(credential.agent, services, credential.session, credential.secret)

    return dependency


def check_manages(agent: Agent, other: str | None) -> None:
    """Raises RoleNotAllowed for a look at somebody else's access without MANAGE. None is one's own."""
    if other not in (None, agent.name) and not agent.may(Permission.MANAGE):
        raise RoleNotAllowed


AgentQuery = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=128,
        pattern=PLAIN_TEXT,
        description="Somebody else's, of an agent within the departments where you have `manage`.",
    ),
]
InSession = Annotated[PersonsAccess, Depends(logged_in())]
InAnySession = Annotated[PersonsAccess, Depends(logged_in(ANYHOW))]
"""Also in one begun with a first password: for seeing that it is so, changing it and logging out."""
InOneToAdd = Annotated[PersonsAccess, Depends(logged_in(OpenTo(no_second_factor=True)))]
"""Also in one begun with a password alone where more is asked: for adding it."""
SignedInAnyhow = Annotated[Access, Depends(signed_in(Permission.SIGN_IN, open_to=ANYHOW))]
SignedIn = Annotated[Access, Depends(signed_in(Permission.SIGN_IN))]
Reader = Annotated[Access, Depends(signed_in(Permission.READ))]
Worker = Annotated[Access, Depends(signed_in(Permission.WORK))]
Closer = Annotated[Access, Depends(signed_in(Permission.CLOSE))]
