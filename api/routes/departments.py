"""The departments an agent may work in, and the agent."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.auth import SignedIn
from api.openapi import API, problems
from api.schemas import DepartmentList, DepartmentOut, MeOut

router = APIRouter(prefix=API)


@router.get("/departments", tags=["departments"], responses=problems())
async def list_departments(
    access: SignedIn,
    everywhere: Annotated[
        bool, Query(description="All there are, yours or not: where a callback may be sent on to.")
    ] = False,
) -> DepartmentList:
    """Your departments and when they ring."""
    departments = access.parts.departments()
    slugs = list(departments) if everywhere else access.departments()
    return DepartmentList(items=[DepartmentOut.of(departments.get(slug)) for slug in slugs])


@router.get("/me", tags=["agents"], responses=problems())
async def me(access: SignedIn) -> MeOut:
    """Who the token belongs to, and what it opens."""
    return MeOut.of(access.agent, access.departments())
