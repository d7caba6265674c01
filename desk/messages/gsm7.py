"""The alphabet of text messages (GSM 03.38), and how many messages a text takes. Pure.

A text with other characters is sent in another encoding, with 70 characters to a message: it costs twice as much and
may arrive in pieces.
"""

from typing import Final

BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED: Final = frozenset("\f^{}\\[~]|€")
"""Each of these characters takes two places."""
ALONE: Final = 160
IN_PARTS: Final = 153
"""The places in a single message, and in each message of several: the rest of those holds the part's number."""


def outside(text: str) -> str:
    """Return the characters of `text` that are not in the alphabet, each once, in order."""
    return "".join(dict.fromkeys(each for each in text if each not in BASIC and each not in EXTENDED))


def parts(text: str) -> int:
    """Count the messages that a text within the alphabet takes."""
    places = [2 if each in EXTENDED else 1 for each in text]
    if sum(places) <= ALONE:
        return 1
    count, room = 1, IN_PARTS
    for each in places:
        if each > room:  # a character is never split between two
            count, room = count + 1, IN_PARTS
        room -= each
    return count
