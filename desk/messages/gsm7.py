"""The alphabet of text messages (GSM 03.38), and how many of them a text takes. Pure.

A text outside the alphabet is sent in another coding, seventy characters a message: it costs twice as much and may
arrive in pieces.
"""

from typing import Final

BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED: Final = frozenset("\f^{}\\[~]|€")
"""Each takes two places."""
ALONE: Final = 160
IN_PARTS: Final = 153
"""Places in one message, and in each of several that belong together (the rest tells which part it is)."""


def outside(text: str) -> str:
    """The characters of `text` the alphabet lacks, each once, in order."""
    return "".join(dict.fromkeys(each for each in text if each not in BASIC and each not in EXTENDED))


def parts(text: str) -> int:
    """How many messages a text within the alphabet takes."""
    places = [2 if each in EXTENDED else 1 for each in text]
    if sum(places) <= ALONE:
        return 1
    count, room = 1, IN_PARTS
    for each in places:
        if each > room:  # a character is never split between two
            count, room = count + 1, IN_PARTS
        room -= each
    return count
