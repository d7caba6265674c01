"""Searching for callbacks."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from api.schemas.callbacks import CallbackOut
from api.schemas.calls import CallOut
from api.schemas.fields import Body
from api.web.text import PLAIN_TEXT


class SearchIn(Body):
    """What a patient says: in the body, since addresses end up in logs.

    Only an identity number is stored of it: sealed, on the trail.
    """

    NAMES_PATIENT: ClassVar[frozenset[str]] = frozenset({"text"})

    text: Annotated[
        str,
        Field(
            min_length=1,
            max_length=100,
            pattern=PLAIN_TEXT,
            description="A telephone number, an identity number, or words of a note.",
        ),
    ]


class SearchResult(BaseModel):
    items: list[CallbackOut] = Field(description="At most 50: the open ones first, then the newest.")
    calls: list[CallOut] = Field(
        description="At most 50 incomplete calls that no one has dealt with, the newest first. Words find none."
    )
