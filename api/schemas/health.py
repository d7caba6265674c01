"""Health and readiness."""

from pydantic import BaseModel


class ComponentOut(BaseModel):
    ok: bool
    detail: str


class ReadyOut(BaseModel):
    ready: bool
    components: dict[str, ComponentOut]


class AliveOut(BaseModel):
    alive: bool
