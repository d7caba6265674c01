"""Emergency access («nødrett»)."""

import re
from datetime import datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, Field

from api.schemas.fields import WHOLE, Body, Slug
from api.web.text import PLAIN_TEXT
from api.web.text import reason as refusal
from desk.accounts.emergency_access import EmergencyRow

NUMBER = re.compile(r"(?:[0-9] ?){8}")
"""As long as a phone or identity number; dates have dots or dashes."""
SHORTEST = 10


def _a_reason(text: str) -> str:
    if NUMBER.search(text) or len("".join(text.split())) < SHORTEST:
        raise refusal("The reason needs at least ten letters, and no phone or identity number.")
    return text


class EmergencyIn(Body):
    department: Slug
    reason: Annotated[
        str,
        AfterValidator(_a_reason),
        Field(
            min_length=SHORTEST,
            max_length=500,
            pattern=PLAIN_TEXT,
            description="The reason, for the department's leaders: at least ten letters, no phone or identity number.",
            examples=["Kirurgi har ingen på vakt, og pasienten er på vei inn"],
        ),
    ]
    minutes: Annotated[int, Field(ge=1, le=60), WHOLE] = 15


class EmergencyOut(BaseModel):
    """One emergency access. It ends at `until`, or earlier at `ended_at`."""

    id: int
    agent: str
    department: str
    reason: str
    at: datetime
    until: datetime
    ended_at: datetime | None
    ended_by: str | None

    @classmethod
    def of(cls, row: EmergencyRow) -> Self:
        return cls(
            id=row.id,
            agent=row.agent,
            department=row.department,
            reason=row.reason,
            at=row.at,
            until=row.until,
            ended_at=row.ended_at,
            ended_by=row.ended_by,
        )


class EmergencyPage(BaseModel):
    items: list[EmergencyOut]
    next_cursor: str | None
