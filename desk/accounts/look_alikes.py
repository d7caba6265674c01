"""Names that look the same to a reader of the history, though they are written with other letters. Pure."""

import unicodedata
from typing import Final

LIKE: Final = str.maketrans(
    "авеһіјкмнорсԁѕтухԛԝӏαβεικνορτυχ01|lıо",
    "abehijkmhopcdstyxqwiabeikvoptuxoiiiio",
)
"""Letters and digits, in lower case, and the Latin letter each is taken for."""


def look(name: str) -> str:
    """Return the same text for all names that look alike: «KARI», «kari», «kаri» with a Cyrillic а, and «kar1»."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    seen = "".join(sign for sign in plain if unicodedata.category(sign)[0] not in "CM")
    return " ".join(seen.translate(LIKE).split())
