"""The dependencies of routes by permission: `access: Reader` lets in agents who may read."""

from typing import Annotated, TypeAlias

from fastapi import Depends, Query

from api.auth import access as auth
from api.auth.access import ANY_LOG_IN, Unfinished, logged_in, signed_in
from api.services import Services
from api.web.errors import RoleNotAllowed
from api.web.text import PLAIN_TEXT
from desk.access.agent import Agent
from desk.access.permissions import Permission

Access: TypeAlias = auth.Access[Services]
PersonalAccess: TypeAlias = auth.PersonalAccess[Services]

SignedIn = Annotated[Access, Depends(signed_in(Permission.SIGN_IN))]
SignedInAnyhow = Annotated[Access, Depends(signed_in(Permission.SIGN_IN, accepting=ANY_LOG_IN))]
"""Also with an unfinished log-in."""
Reader = Annotated[Access, Depends(signed_in(Permission.READ))]
Worker = Annotated[Access, Depends(signed_in(Permission.WORK))]
Closer = Annotated[Access, Depends(signed_in(Permission.CLOSE))]
Auditor = Annotated[Access, Depends(signed_in(Permission.AUDIT))]

InSession = Annotated[PersonalAccess, Depends(logged_in())]
InAnySession = Annotated[PersonalAccess, Depends(logged_in(ANY_LOG_IN))]
"""Also with a first password: to see that, change it and log out."""
InOneToAdd = Annotated[PersonalAccess, Depends(logged_in(Unfinished(no_second_factor=True)))]
"""Also without a required second factor: to add it."""

AgentQuery = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=128,
        pattern=PLAIN_TEXT,
        description="Another agent, within the departments where you have `manage`.",
    ),
]


def check_manages(agent: Agent, other: str | None) -> None:
    """Raises RoleNotAllowed when an agent without MANAGE names another. None is the agent itself."""
    if other not in (None, agent.name) and not agent.may(Permission.MANAGE):
        raise RoleNotAllowed
