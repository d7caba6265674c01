"""The departments an agent may work in, and the agent."""

from fastapi import APIRouter

from api.auth import SignedIn
from api.openapi import API, problems
from api.schemas import DepartmentList, DepartmentOut, MeOut

router = APIRouter(prefix=API)


@router.get("/departments", tags=["departments"], responses=problems())
async def list_departments(access: SignedIn) -> DepartmentList:
    """Your departments and when they ring."""
    departments = access.parts.departments()
    return DepartmentList(items=[DepartmentOut.of(departments.get(slug)) for slug in access.departments()])


@router.get("/me", tags=["agents"], responses=problems())
async def me(access: SignedIn) -> MeOut:
    """Who the token belongs to, and what it opens."""
    return MeOut.of(access.agent, access.departments())
