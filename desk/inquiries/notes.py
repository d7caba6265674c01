"""What a note may hold, and how notes are joined. Pure."""

import re
from typing import Final

from desk.inquiries.errors import IdentityInNote, UnprintableNote
from desk.numbers.identity_number import holds_identity

LONGEST_NOTE: Final = 4000
"""Characters of an inquiry's note. Lists show it whole, so it must not grow with each booking."""
OLDER_NOTES: Final = "(Eldre notater står i historikken.)"
UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""Control characters other than tabs and line ends: PostgreSQL can't store NUL, and the rest is invisible."""


def checked(note: str | None) -> str | None:
    """Return the note. Raises IdentityInNote, UnprintableNote: a note is stored as it is, in clear."""
    if note and UNPRINTABLE.search(note):
        raise UnprintableNote
    if note and holds_identity(note):
        raise IdentityInNote
    return note


def same_words(note: str | None, other: str | None) -> bool:
    """Whether two notes say the same. Line ends and spaces may differ, as browsers change them on the way."""
    return (note or "").split() == (other or "").split()


def joined(note: str | None, more: str | None) -> str | None:
    """Join two notes, one below the other: what someone wrote is never overwritten."""
    return "\n".join(part for part in (note, more) if part) or None


def shortened(note: str) -> tuple[str, str | None]:
    """Return the newest lines of a note, and the older ones that no longer fit; None if all do."""
    if len(note) <= LONGEST_NOTE:
        return note, None
    note = note.removeprefix(f"{OLDER_NOTES}\n")
    cut = len(note) - (LONGEST_NOTE - len(OLDER_NOTES) - 1)
    line = note.find("\n", cut - 1) + 1 or cut
    return f"{OLDER_NOTES}\n{note[line:]}", note[:line].rstrip("\n")
