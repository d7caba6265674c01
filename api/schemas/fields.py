"""Fields that several schemas share. Times are RFC 3339 in UTC, phone numbers E.164."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator

from api.web.text import PLAIN_TEXT
from desk.numbers.identity_number import holds_identity

MAX_LIMIT = 200
MAX_NOTE = 1000
BIGGEST_FENCE = 2**31 - 1
SLUG = "^[a-z0-9-]+$"
Note = Annotated[
    str, Field(max_length=MAX_NOTE, pattern=PLAIN_TEXT, description="Free text. Keep patient data in the record.")
]
Slug = Annotated[str, Field(max_length=64, pattern=SLUG, description="A department, as in GET /departments.")]
Fence = Annotated[int, Field(ge=0, le=BIGGEST_FENCE, description="The `fence` your claim was answered with.")]


class Body(BaseModel):
    """A request body: a field it does not know is refused, so that a misspelt one is not lost silently.

    So is a text with an identity number in it, but in a field named `identity`: texts are stored as they are.
    """

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="after")
    def _names_nobody(self) -> Self:
        for name, value in self.__dict__.items():
            if name != "identity" and isinstance(value, str) and holds_identity(value):
                raise ValueError("an identity number doesn't belong in a text")
        return self


FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
LANGUAGE = "^(nb|nn|en)$"


def _moment(value: Any) -> datetime:
    """An instant as RFC 3339 writes it, held within two centuries, so that reckoning with it never overflows."""
    if not isinstance(value, str) or not RFC_3339.fullmatch(value):
        raise ValueError("not a time")
    text = value.upper().replace("Z", "+00:00").replace(":60", ":59")  # a leap second is the one before it
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
        return min(max(moment, FIRST), LAST).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("not a time") from None


Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-24T14:00:00Z"]}),
]
"""A time of RFC 3339, with its offset."""


def _without_default(schema: dict[str, Any]) -> None:
    """Leaving the field out is not the same as sending a default."""
    schema.pop("default", None)


OptionalFence = Annotated[Fence | None, Field(description="Needed when the callback is claimed.")]
Language = Annotated[str, StringConstraints(pattern=LANGUAGE)]
