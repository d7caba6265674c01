"""Remove identity numbers, phone numbers and credentials from text.

Log messages are static and values are in fields, so none should be there. This is for the one that is there all the
same, in a library's message or a traceback.
"""

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, unquote_plus

HIDDEN = "***"
SHORTEST_SECRET = 4
"""A shorter one is no secret, and hiding it would hide half the log."""

_UUID = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
_GAP = r"(?:[ \t\u00a0\u202f_+\x00-]|%(?:20|2B|2b|C2%A0|c2%a0)|\\{1,8}(?:u00a0|u202f|xa0|x00|u0000|t)|&nbsp;)"
_BETWEEN = rf"(?:[.,:;/|]|%2[EFef]|{_GAP}){{1,2}}"
# Each begins with a digit, which is searched for first, so that most lines take little time.
_NUMBERS = re.compile(
    r"\d(?:"
    # Eleven digits or more, with or without gaps: an identity number, alone or with what was keyed after it.
    rf"(?:{_GAP}?\d){{10,}}"
    rf"|\d{{5}}{_BETWEEN}\d{{5}}(?!\d)"  # 010150.12345
    rf"|\d(?P<mark>[./-])\d\d(?P=mark)\d\d{_BETWEEN}\d{{5}}(?!\d)"  # 01.01.50 12345
    r"|(?<![\w.].)\d{9}(?!\w|\.\d*[1-9])"  # as an int, without the leading zero
    # Norway's eight digits, as they are grouped.
    r"|(?<=[2-9])(?<![\w.].)(?:"
    rf"\d{{7}}(?!\w|\.\d)|\d(?P<two>{_GAP})\d\d(?P=two)\d\d(?P=two)\d\d(?!\w)|\d\d(?P<three>{_GAP})\d\d(?P=three)\d{{3}}(?!\w)"
    "))"
)
_ABROAD = re.compile(rf"(?:\+|%2[Bb]|\\{{1,8}}(?:u002|x2)[bB]){_GAP}?\d(?:{_GAP}?\d){{7,14}}")
_PERCENT_ENCODED = re.compile(r"[^\s%]{0,100}%[0-9A-Fa-f]{2}[^\s]*")
_CREDENTIALS = (
    (
        "uthorization",
        re.compile(r"""(authorization\\?["']?\s*[:=,]\s*(?:b?\\?["'])?)(?:(?:basic|bearer)\s+)?[^\s"',;}\\]+""", re.I),
        rf"\1{HIDDEN}",
    ),
    ("asic", re.compile(r"\b(Basic\s+)[A-Za-z0-9+/=._~-]{8,}"), rf"\1{HIDDEN}"),
    ("earer", re.compile(r"\b(Bearer\s+)[A-Za-z0-9+/=._~-]{8,}"), rf"\1{HIDDEN}"),
    ("api_key", re.compile(r"""(api_key(?:=|%3D)|api_key\\?["']\s*[:,]\s*\\?["'])[^&\s"'\\]+""", re.I), rf"\1{HIDDEN}"),
    ("inn_", re.compile(r"\binn_[A-Za-z0-9_-]{16,}"), f"inn_{HIDDEN}"),
    ("otpauth", re.compile(r"otpauth(?:://|%3A%2F%2F)[^\s\"'\\]+", re.I), f"otpauth{HIDDEN}"),
    ("://", re.compile(r"""([a-z][a-z0-9+.-]{0,30}://[^/\s:@"']*:)[^@\s/"']+@""", re.I), rf"\1{HIDDEN}@"),
)
"""Text a line must contain, in lower case, before the pattern is searched for; most lines contain none."""


class Scrubber:
    """Hides identity numbers, phone numbers, credentials and `secrets`, as they are written or percent-encoded."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        spellings = {
            spelling
            for secret in secrets
            if len(secret) >= SHORTEST_SECRET
            for spelling in (
                secret,
                quote(secret, safe=""),
                *(json.dumps(secret, ensure_ascii=e)[1:-1] for e in (False, True)),
            )
        }
        longest_first = sorted(spellings, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        """Return the text without them. Callback ids (UUIDs) stay, whatever digits they have."""
        if self._secrets is not None:
            text = self._secrets.sub(HIDDEN, text)
        lower = text.lower()
        for mark, pattern, replacement in _CREDENTIALS:
            if mark in lower:
                text = pattern.sub(replacement, text)
        if text.count("-") < 4:
            return _without_numbers(text)
        parts = _UUID.split(text)  # every second one is an id
        parts[::2] = map(_without_numbers, parts[::2])
        return "".join(parts)


def _without_numbers(text: str) -> str:
    return _scrub_digits(_PERCENT_ENCODED.sub(_decoded, text) if "%" in text else text)


def _decoded(match: re.Match[str]) -> str:
    """Return a percent-encoded word unchanged, unless a number is in it, encoded once or twice."""
    word = unquote_plus(unquote_plus(match[0]))
    scrubbed = _scrub_digits(word)
    return match[0] if scrubbed == word else quote(scrubbed, safe="/:?=&*~,;@()'+")


def _scrub_digits(text: str) -> str:
    if "+" in text or "%" in text or "\\" in text:
        text = _ABROAD.sub(HIDDEN, text)
    return _NUMBERS.sub(HIDDEN, text)
