"""The signed-in agent."""

from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel, Field

from desk.access.agent import Agent
from desk.access.permissions import Grant, Role


class GrantOut(BaseModel):
    role: Role
    department: str = Field(description="A slug, or `*`: all of them, also new ones.")

    @classmethod
    def of(cls, grant: Grant) -> Self:
        return cls(role=grant.role, department=grant.department)


class MeOut(BaseModel):
    name: str
    role: Role | None = Field(description="The chief one of your roles; `grants` tells which you have where.")
    departments: list[str] = Field(description="Those in which you may do anything at all.")
    grants: list[GrantOut]

    @classmethod
    def of(cls, agent: Agent, departments: Sequence[str]) -> Self:
        grants = sorted(agent.grants, key=lambda grant: (grant.department, grant.role))
        return cls(
            name=agent.name,
            role=agent.role,
            departments=list(departments),
            grants=[GrantOut.of(grant) for grant in grants],
        )
