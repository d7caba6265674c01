"""Health and readiness."""

from pydantic import BaseModel


class ComponentOut(BaseModel):
    ok: bool
    detail: str


class ReadinessOut(BaseModel):
    ready: bool
    components: dict[str, ComponentOut]


class LivenessOut(BaseModel):
    alive: bool
