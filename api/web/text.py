"""What text from outside may hold, and how a validator of ours says why it refuses a value."""

import re
from typing import LiteralString

from pydantic_core import PydanticCustomError

OWN_REASON = "own_reason"
"""The type of a validation error that `reason` made: its message is ours and quotes no value."""


PLAIN_TEXT = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
"""Tabs and line ends, but no other control character: PostgreSQL can't store NUL, and the rest is invisible."""


LONG_NUMBER = re.compile(r"[0-9](?:[ .-]?[0-9]){7}")


def no_long_number(text: str | None) -> str | None:
    """Refuse phone and identity numbers: addresses end up in logs."""
    if text is not None and LONG_NUMBER.search(text):
        raise reason("Phone and identity numbers do not belong in an address.")
    return text


def reason(text: LiteralString) -> PydanticCustomError:
    """Build the error that a validator raises: the client reads `text`, a whole sentence without the value."""
    return PydanticCustomError(OWN_REASON, text)
