"""Dials: calls to a patient that the exchange makes for an agent."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from api.schemas.fields import Body, Fence
from desk.dials.model import Dial, DialReason, DialState


class DialIn(Body):
    fence: Fence


class DialOut(BaseModel):
    """One dial. Each step is a row of the callback's history, and so an event of GET /events."""

    id: str
    callback_id: str
    agent: str
    state: DialState
    reason: DialReason | None = Field(description="Why it ended; null while it lasts.")
    requested_at: datetime
    bridged_at: datetime | None = Field(description="When agent and patient were connected.")
    ended_at: datetime | None

    @classmethod
    def of(cls, dial: Dial) -> Self:
        return cls(
            id=dial.id,
            callback_id=dial.callback_id,
            agent=dial.agent,
            state=dial.state,
            reason=dial.reason,
            requested_at=dial.requested_at,
            bridged_at=dial.bridged_at,
            ended_at=dial.ended_at,
        )
