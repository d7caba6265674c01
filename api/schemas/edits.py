"""Requests that book, change, transfer and promise callbacks, and their responses."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from api.schemas.callbacks import CallbackOut
from api.schemas.fields import (
    MAX_LIMIT,
    TOPIC,
    Body,
    Language,
    Moment,
    Note,
    OptionalFence,
    Slug,
    _without_default,
)
from api.web.text import PLAIN_TEXT, reason
from desk.inquiries.model import Priority
from desk.inquiries.notes import LONGEST_NOTE

Topic = Annotated[str, Field(max_length=32, pattern=TOPIC)]


class BookedCallback(CallbackOut):
    created: bool = Field(description="False when the person already had an open callback, which was updated instead.")


class TransferredCallback(CallbackOut):
    promise_kept: bool = Field(description="False when `promise` is new; the patient has not been notified of it.")
    merged: bool = Field(
        description="The same person waited in your other department already: this callback was closed as a duplicate. "
        "Always false for a department that is not yours."
    )


class PromisedCallback(CallbackOut):
    sms_queued: bool = Field(description="Whether a text message about it has been queued.")


class BookIn(Body):
    department: Slug
    phone: Annotated[str, Field(min_length=1, max_length=32, examples=["+4768050001"])]
    identity: Annotated[
        str | None,
        Field(pattern="^[0-9]{11}$", description="National identity number. It appears in no address and no log."),
    ] = None
    language: Language = "nb"
    priority: Priority = Priority.NORMAL
    note: Note | None = None


class AmendIn(Body):
    """Fields left out keep their values."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"minProperties": 1})

    priority: Priority = Field(default=Priority.NORMAL, json_schema_extra=_without_default)
    note: Annotated[str, Field(max_length=LONGEST_NOTE, pattern=PLAIN_TEXT)] | None = Field(
        default=None, description="Replaces the whole note; null or an empty text removes it."
    )
    topic: Topic | None = Field(default=None, description="Key of a topic; null or an empty text removes it.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise reason("There is nothing to change: send `priority`, `note` or `topic`.")
        return self


class SortIn(Body):
    """Callbacks to sort at once. Fields left out keep their values."""

    ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_LIMIT)]
    priority: Priority | None = None
    topic: Topic | None = Field(default=None, description="Key of a topic; an empty text removes it.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.priority is None and self.topic is None:
            raise reason("There is nothing to change: send `priority` or `topic`.")
        return self


class SortedCallbacks(BaseModel):
    items: list[CallbackOut]


class TransferIn(Body):
    department: Slug
    keep_promise: StrictBool = Field(
        description="True keeps the promise; false makes a new one by the new department's rules."
    )
    fence: OptionalFence = None
    note: Note | None = None


class PromiseIn(Body):
    by: Moment | None = Field(default=None, description="The new promise. By default the department's rules set it.")
    sms: StrictBool = Field(default=True, description="Notify the patient by text message, if the phone is a mobile.")
    fence: OptionalFence = None
