"""The history of a callback."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from desk.history.model import HistoryRow
from desk.inquiries.model import Status


class HistoryRowOut(BaseModel):
    id: int
    at: datetime
    event: str
    actor: str
    from_status: Status | None
    to_status: Status | None
    details: dict[str, str | int | bool | None]
    note: str | None = Field(description="Older lines of the callback's note, which had become too long.")

    @classmethod
    def of(cls, row: HistoryRow) -> Self:
        return cls(
            id=row.id,
            at=row.at,
            event=row.event,
            actor=row.actor,
            from_status=Status(row.from_status) if row.from_status else None,
            to_status=Status(row.to_status) if row.to_status else None,
            details=dict(row.details),
            note=row.note,
        )


class HistoryOut(BaseModel):
    items: list[HistoryRowOut]
