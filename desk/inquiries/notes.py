"""What a note may hold, at every door. Pure."""

import re
from typing import Final

from desk.inquiries.errors import IdentityInNote, UnprintableNote
from desk.numbers.identity_number import holds_identity

UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""Control characters other than tabs and line ends: PostgreSQL can't store NUL, and the rest is invisible."""


def checked(note: str | None) -> str | None:
    """Return the note. Raises IdentityInNote, UnprintableNote: a note is stored as it is, in clear."""
    if note and UNPRINTABLE.search(note):
        raise UnprintableNote
    if note and holds_identity(note):
        raise IdentityInNote
    return note
