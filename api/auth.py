"""Who asks, and what they may see: the one dependency every route of /api/v1 goes through.

Routes check no department: they hand `Access.scope` on to the desk, which can't be asked without one, and there it
becomes part of each statement.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import structlog
from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.errors import NotSignedIn, RoleNotAllowed
from api.parts import Parts, parts_of
from api.trace import trace_of
from desk.access import Permission, Scope
from desk.agent import Agent
from desk.tokens import hashed

MAX_TOKEN = 200

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="A token from `innringing agents add`. In the demo environment it is in var/demo-token.",
)


@dataclass(frozen=True)
class Access:
    """A signed-in agent, and the parts of the house seen with that agent's eyes.

    `scope` is where the agent has the permission the route asks for.
    """

    agent: Agent
    parts: Parts
    scope: Scope

    @property
    def emergency(self) -> bool:
        """Whether this request has looked where only an emergency access lets the agent look. Ask once it is done."""
        return bool(self.scope.touched)

    def departments(self) -> Sequence[str]:
        """The agent's departments, in the order of the file."""
        return [slug for slug in self.parts.departments() if self.scope.covers(slug)]

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
            self.parts.departments().get(slug)
        return self.scope.within(named)


def signed_in(permission: Permission) -> Callable[..., Awaitable[Access]]:
    """A dependency: the bearer of a valid token whose role has `permission`. Raises NotSignedIn, RoleNotAllowed."""

    async def dependency(
        request: Request,
        parts: Annotated[Parts, Depends(parts_of)],
        credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
    ) -> Access:
        token = credentials.credentials if credentials else ""
        if not token or len(token) > MAX_TOKEN:
            raise NotSignedIn
        agent = await parts.agents.verify(token)
        if agent is None:
            raise NotSignedIn
        trace, scope = trace_of(request), agent.scope(permission)
        trace.who, trace.scope = agent.name, scope
        trace.session = f"token:{hashed(token).hex()[:12]}"
        trace.role = ",".join(sorted({grant.role.value for grant in agent.grants}))
        if not agent.may(permission):
            raise RoleNotAllowed
        structlog.contextvars.bind_contextvars(agent=agent.name)
        return Access(agent, parts, scope)

    return dependency


SignedIn = Annotated[Access, Depends(signed_in(Permission.SIGN_IN))]
Reader = Annotated[Access, Depends(signed_in(Permission.READ))]
Worker = Annotated[Access, Depends(signed_in(Permission.WORK))]
Closer = Annotated[Access, Depends(signed_in(Permission.CLOSE))]
