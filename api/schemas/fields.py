"""Fields that several schemas share. Times are RFC 3339 in UTC, phone numbers E.164."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from api.web.text import PLAIN_TEXT, reason
from desk.ids import CallbackId
from desk.numbers.identity_number import holds_identity

MAX_LIMIT = 200
MAX_NOTE = 1000
BIGGEST_FENCE = 2**31 - 1
SLUG = "^[a-z0-9-]+$"
TOPIC = "^(?:[a-z][a-z0-9_-]*)?$"
CallbackPath = Annotated[CallbackId, BeforeValidator(str), WithJsonSchema({"type": "string", "format": "uuid"})]
"""A callback's id in a path, which names it as `{id:uuid}`."""
Note = Annotated[
    str,
    Field(
        max_length=MAX_NOTE, pattern=PLAIN_TEXT, description="Free text. Patient data belongs in the medical record."
    ),
]
Slug = Annotated[str, Field(max_length=64, pattern=SLUG, description="Slug of a department, as in GET /departments.")]


def _is_number(value: object) -> object:
    if isinstance(value, bool | str):
        raise PydanticCustomError("int_type", "Input should be a valid integer")
    return value


WHOLE: Final = BeforeValidator(_is_number)
"""A number in a body, as the document says: `true` and `"1"` are none, `1.0` is one. It stands after the limits, which
would be lost to the document otherwise."""
Fence = Annotated[int, Field(ge=0, le=BIGGEST_FENCE, description="The `fence` returned with your claim."), WHOLE]


class Body(BaseModel):
    """A request body. Unknown fields are refused, so that a misspelt one is not lost silently.

    Texts are stored as they are, so an identity number is refused in every field but `NAMES_PATIENT`.
    """

    NAMES_PATIENT: ClassVar[frozenset[str]] = frozenset({"identity"})

    model_config = ConfigDict(extra="forbid")

    @field_validator("*", mode="after")
    @classmethod
    def _holds_no_identity(cls, value: Any, info: ValidationInfo) -> Any:
        if info.field_name not in cls.NAMES_PATIENT and isinstance(value, str) and holds_identity(value):
            raise reason("An identity number doesn't belong in a text.")
        return value


FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
LANGUAGE = "^(nb|nn|en)$"
NOT_A_TIME: Final = "Not an RFC 3339 time with its offset, such as 2000-12-24T14:00:00Z."


def moment(value: Any) -> datetime:
    """Parse an RFC 3339 time with its offset, limited to two centuries so that arithmetic with it never overflows."""
    if not isinstance(value, str) or not RFC_3339.fullmatch(value):
        raise reason(NOT_A_TIME)
    text = value.upper().replace("Z", "+00:00").replace(":60", ":59")  # a leap second counts as the second before it
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
        return min(max(moment, FIRST), LAST).astimezone(UTC)
    except (ValueError, OverflowError):
        raise reason(NOT_A_TIME) from None


Moment = Annotated[
    datetime,
    BeforeValidator(moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""An RFC 3339 time with its offset."""


def _without_default(schema: dict[str, Any]) -> None:
    """Omit the default: leaving out the field is not the same as sending it."""
    schema.pop("default", None)


OptionalFence = Annotated[Fence | None, Field(description="Required when the callback is claimed.")]
Language = Annotated[str, StringConstraints(pattern=LANGUAGE)]
