"""The most common passwords that are long enough to be accepted here (ASVS 5.0, 6.2.4).

common_passwords.txt holds the start of the SHA-256 of each, in lower case and NFKC. Its first lines name its source;
`python -m ops.machine.common_passwords` makes the file.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_suffix(".txt")
DIGITS: Final = 12
"""Hexadecimal digits of each hash: 48 bits, so one in 28 thousand million other passwords is taken for one of these."""


def is_common(text: str) -> bool:
    """Whether it is a common password; `text` is in lower case (casefold) and NFKC."""
    return shortened(text) in _known()


def shortened(text: str) -> str:
    """The start of its hash, as in the file."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


@cache
def _known() -> frozenset[str]:
    return frozenset(line for line in FILE.read_text("ascii").split("\n") if line and not line.startswith("#"))
