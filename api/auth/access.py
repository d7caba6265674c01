"""The agent behind a request and what they may see: the dependency of every route under /api/v1.

Routes check no department themselves. They pass `Access.actor` to the desk, whose scope becomes part of each statement.
api/access.py has the dependencies by permission.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, TypeVar

import structlog
from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from api.auth.cookies import SESSION, WALL
from api.auth.credentials import Credential, credential_of, wall_credential_of
from api.auth.services import AuthServices, auth_services_of
from api.web.errors import NotSignedIn, PasswordMustBeChanged, RoleNotAllowed, SecondFactorMustBeAdded
from api.web.middleware.trace import trace_of
from api.web.request_checks import check_request
from desk.access.actor import Actor
from desk.access.agent import Agent
from desk.access.permissions import Permission, Scope
from desk.access.trail import Trail
from desk.accounts.sessions.model import Session

S = TypeVar("S", bound=AuthServices)

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
class Access(Generic[S]):
    """An authenticated agent, and the application's services. `scope`: where the agent has the route's permission."""

    agent: Agent
    services: S
    scope: Scope
    credential: Credential
    trail: Trail

    @property
    def actor(self) -> Actor:
        """The agent as an actor within `scope`, with the request's trail."""
        return Actor(self.agent.name, self.scope, self.trail)

    def acting(self, permission: Permission) -> Actor:
        """The agent as an actor where it has that permission, with the request's trail."""
        return Actor(self.agent.name, self.agent.scope(permission), self.trail)

    def reading(self, asked: str | Sequence[str] | None = None) -> Actor:
        """The actor within `looking(asked)`; raises what that raises."""
        return self.actor.within(self.looking(asked))

    def departments(self) -> Sequence[str]:
        """The agent's departments, in the order of the file."""
        return [slug for slug in self.services.departments() if self.scope.covers(slug)]

    def looking(self, asked: str | Sequence[str] | None = None) -> Scope:
        """The scope within those departments, or within all the agent's if none are named.

        Raises DepartmentNotAllowed for one that isn't the agent's, whether it exists or not; DepartmentNotFound for an
        unknown one requested by an agent of all departments.
        """
        if asked is None:
            return self.scope.within(self.departments())
        named = [asked] if isinstance(asked, str) else asked
        for slug in named:
            self.actor.require(slug)
            self.services.departments().get(slug)
        return self.scope.within(named)


@dataclass(frozen=True)
class PersonalAccess(Generic[S]):
    """A person logged in at a browser, whatever their roles, for what concerns their own account."""

    agent: Agent
    services: S
    session: Session
    secret: str
    trail: Trail

    def acting(self, permission: Permission) -> Actor:
        """The person as an actor where they have that permission, with the request's trail."""
        return Actor(self.agent.name, self.agent.scope(permission), self.trail)

    def require_recent(self) -> None:
        """Raises LogInAgain unless the log-in is recent: someone at an abandoned screen must not get further."""
        self.services.sessions.require_recent(self.session)


@dataclass(frozen=True)
class Unfinished:
    """Which unfinished log-ins a route accepts: with a first password, or without a required second factor."""

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


FINISHED_ONLY: Final = Unfinished()
ANY_LOG_IN: Final = Unfinished(first_password=True, no_second_factor=True)


def signed_in(
    permission: Permission,
    *,
    accepting: Unfinished = FINISHED_ONLY,
    browser_only: bool = False,
    in_use: Callable[[Request], bool] = lambda _: True,
) -> Callable[..., Awaitable[Access[Any]]]:
    """A dependency: an agent with a valid token or session, whose role has `permission`.

    `browser_only`: a token is refused, as for a page. `in_use`: whether the request prolongs the session, as a
    person's does; a page that repaints itself does not.

    Raises NotSignedIn, CrossSite, RoleNotAllowed, PasswordMustBeChanged, SecondFactorMustBeAdded.
    """

    async def dependency(
        request: Request,
        services: Annotated[AuthServices, Depends(auth_services_of)],
        credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
        _cookie: Annotated[str | None, Security(cookie)],  # for the OpenAPI document
    ) -> Access[Any]:
        credential = await credential_of(request, services, credentials, in_use=in_use(request))
        if browser_only and credential.session is None:
            raise NotSignedIn
        agent = credential.agent
        scope = agent.scope(permission)
        _trace(request, credential)
        accepting.check(credential.session)
        if not agent.may(permission):
            raise RoleNotAllowed
        await check_request(request)
        return Access(agent, services, scope, credential, trace_of(request).trail)

    return dependency


def logged_in(accepting: Unfinished = FINISHED_ONLY) -> Callable[..., Awaitable[PersonalAccess[Any]]]:
    """A dependency: a person at a browser.

    Raises NotSignedIn, also for a token, because programs have no log-in; CrossSite, PasswordMustBeChanged,
    SecondFactorMustBeAdded.
    """

    async def dependency(
        request: Request,
        services: Annotated[AuthServices, Depends(auth_services_of)],
        credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
        _cookie: Annotated[str | None, Security(cookie)],
    ) -> PersonalAccess[Any]:
        credential = await credential_of(request, services, credentials)
        if credential.session is None:
            raise NotSignedIn
        _trace(request, credential)
        accepting.check(credential.session)
        await check_request(request)
        return PersonalAccess(
            credential.agent, services, credential.session, credential.secret, trace_of(request).trail
        )

    return dependency


async def on_the_wall(request: Request, services: Annotated[AuthServices, Depends(auth_services_of)]) -> Access[Any]:
    """A dependency: a wall screen with a valid token in its own cookie. Raises WallNotOpen."""
    credential = await wall_credential_of(request, services, services.cookies.read(request, WALL) or "")
    _trace(request, credential)
    agent = credential.agent
    return Access(agent, services, agent.scope(Permission.WALL), credential, trace_of(request).trail)


def _trace(request: Request, credential: Credential) -> None:
    """Record for the audit and the log who the request is from, and by which session or token."""
    trace = trace_of(request)
    trace.who, trace.session = credential.agent.name, credential.name
    trace.role = ",".join(sorted({grant.role.value for grant in credential.agent.grants}))
    structlog.contextvars.bind_contextvars(agent=credential.agent.name)
