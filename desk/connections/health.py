"""The state of something the service depends on, as readiness reports it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Component:
    """Whether it works, and one fixed sentence on it: no address, no password, no text of another system."""

    ok: bool
    detail: str
