"""What clients send to change a callback, and the times and versions they name."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator

from api.schemas.common import MAX_LIMIT, MAX_NOTE, Body, Fence, Note, Slug
from api.web.text import PLAIN_TEXT
from desk.inquiries.model import Priority
from desk.promises.model import LONGEST_CLOSURE

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


class ClaimIn(Body):
    department: Slug
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 1
    due_before: Moment | None = Field(
        default=None, description="Only those promised by then: a round is claimed by its time."
    )


class ExtendIn(Body):
    fence: Fence


class ReopenIn(Body):
    cut_off: bool = Field(default=False, description="The line broke while you talked: first in line.")


class BookIn(Body):
    department: Slug
    phone: Annotated[str, Field(min_length=1, max_length=32, examples=["+4768050001"])]
    identity: Annotated[
        str | None,
        Field(pattern="^[0-9]{11}$", description="National identity number. Never in an address or a log."),
    ] = None
    language: Language = "nb"
    priority: Priority = Priority.NORMAL
    note: Note | None = None


class AmendIn(Body):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"minProperties": 1})

    priority: Priority = Field(default=Priority.NORMAL, json_schema_extra=_without_default)
    note: Annotated[str, Field(max_length=MAX_NOTE, pattern=PLAIN_TEXT)] | None = Field(
        default=None, description="In place of the note there is; null or an empty one takes it away."
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("nothing to change")
        return self


class TransferIn(Body):
    department: Slug
    keep_promise: bool = Field(
        description="True: the caller is rung as promised. False: by the new department's rules."
    )
    fence: OptionalFence = None
    note: Note | None = None


class PromiseIn(Body):
    by: Moment | None = Field(default=None, description="The new promise; without it, by the department's rules.")
    sms: bool = Field(default=True, description="Tell the patient by a text message, if the phone is a mobile.")
    fence: OptionalFence = None


class ClosureIn(Body):
    """The queue closed: who rings from `from` until `until` is promised what follows, and told why."""

    model_config = ConfigDict(extra="forbid", validate_by_name=True)

    from_: Annotated[Moment, Field(alias="from")]
    until: Moment
    text_key: Literal["closed_today", "closed_course", "closed_illness"] | None = Field(
        default=None, description="The prompt that tells of it; closed_today unless given. Operators own its words."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not timedelta() < self.until - self.from_ <= LONGEST_CLOSURE:
            raise ValueError("until must come after from, by 31 days at most")
        return self
