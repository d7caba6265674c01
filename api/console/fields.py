"""Fields of the console's forms and addresses that several pages have."""

from typing import Annotated, Final

from fastapi import Form, Query
from pydantic import BeforeValidator

from api.schemas.fields import SLUG


def _or_none(text: object) -> object:
    return text or None


EMPTY_IS_NONE: Final = BeforeValidator(_or_none)
"""A field of a form that is left empty chooses nothing."""
AnySlug = Annotated[str, Query(max_length=64, pattern=f"^$|{SLUG}")]
"""A department's slug in an address; empty for all departments."""
FormSlug = Annotated[str, Form(max_length=64, pattern=SLUG)]
"""A department's slug in a form."""
