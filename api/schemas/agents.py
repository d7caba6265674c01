"""The signed-in agent."""

from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel, Field

from desk.access.agent import Agent
from desk.access.permissions import Grant, Role


class GrantOut(BaseModel):
    role: Role
    department: str = Field(description="A slug, or `*` for all departments, also future ones.")

    @classmethod
    def of(cls, grant: Grant) -> Self:
        return cls(role=grant.role, department=grant.department)


class MeOut(BaseModel):
    name: str
    role: Role | None = Field(description="The highest of your roles; `grants` lists all of them.")
    departments: list[str] = Field(description="The departments in which you have any permission.")
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
