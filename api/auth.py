"""Who asks, and what they may see: the one dependency every route of /api/v1 goes through.

Departments are checked here and nowhere else: a route gets its callback through `Access`, or not at all.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import structlog
from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.errors import DepartmentNotAllowed, NotSignedIn, RoleNotAllowed
from api.parts import Parts, parts_of
from desk.access import Permission, Scope
from desk.agent import Agent
from desk.callbacks import Callback

MAX_TOKEN = 200

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="A token from `innringing agents add`. In the demo environment it is in var/demo-token.",
)


@dataclass(frozen=True)
class Access:
    """A signed-in agent, and the parts of the house seen with that agent's eyes."""

    agent: Agent
    parts: Parts
    scope: Scope

    def departments(self, asked: str | None = None) -> Sequence[str]:
        """The departments to look in: the one asked for, else all the agent has.

        Raises DepartmentNotAllowed for one that is not the agent's, whether it exists or not; DepartmentNotFound for
        an unknown one asked for by an agent of all departments.
        """
        known = self.parts.departments()
        if asked is None:
            return [slug for slug in known if self.scope.covers(slug)]
        if not self.scope.covers(asked):
            raise DepartmentNotAllowed
        return [known.get(asked).slug]

    def departments_among(self, asked: Sequence[str] | None) -> Sequence[str]:
        """Those asked for, else all the agent has. Raises as `departments` does."""
        if asked is None:
            return self.departments()
        return sorted({slug for each in asked for slug in self.departments(each)})

    async def callback(self, id: str) -> Callback:
        """The callback, if it is in one of the agent's departments."""
        callback = await self.parts.desk.get(id)
        if not self.scope.covers(callback.department):
            raise DepartmentNotAllowed
        return callback


def signed_in(permission: Permission) -> Callable[..., Awaitable[Access]]:
    """A dependency: the bearer of a valid token whose role has `permission`. Raises NotSignedIn, RoleNotAllowed."""

    async def dependency(
        parts: Annotated[Parts, Depends(parts_of)],
        credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
    ) -> Access:
        token = credentials.credentials if credentials else ""
        if not token or len(token) > MAX_TOKEN:
            raise NotSignedIn
        agent = await parts.agents.verify(token)
        if agent is None:
            raise NotSignedIn
        if not agent.may(permission):
            raise RoleNotAllowed
        structlog.contextvars.bind_contextvars(agent=agent.name)
        return Access(agent, parts, agent.scope(permission))

    return dependency


SignedIn = Annotated[Access, Depends(signed_in(Permission.SIGN_IN))]
Reader = Annotated[Access, Depends(signed_in(Permission.READ))]
Worker = Annotated[Access, Depends(signed_in(Permission.WORK))]
Closer = Annotated[Access, Depends(signed_in(Permission.CLOSE))]
