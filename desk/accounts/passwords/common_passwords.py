"""The passwords most people have, as far as they are long enough to pass for one here (ASVS 5.0, 6.2.4).

common_passwords.txt holds the beginning of the SHA-256 of each, in lower case and NFKC: many are nothing to read. What
it was made of stands at its top; `python -m ops.machine.common_passwords` makes it anew.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_suffix(".txt")
DIGITS: Final = 12
"""Hexadecimal digits kept of each: 48 bits, so that one in 28 thousand million others is taken for one of them."""


def is_common(text: str) -> bool:
    """Whether that is one of them; `text` in lower case (casefold) and NFKC."""
    return shortened(text) in _known()


def shortened(text: str) -> str:
    """How the file names it."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


@cache
def _known() -> frozenset[str]:
    return frozenset(line for line in FILE.read_text("ascii").split("\n") if line and not line.startswith("#"))
