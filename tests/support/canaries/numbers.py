"""Unique identity and phone numbers, in every spelling a client may use, and a checker that finds them anywhere.

Ten thousand people who occur in no other test, and the ten thousand phone numbers reserved for fiction.
"""

import base64
import html
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote, unquote

from tests.support.synthetic import synthetic_identity

COUNT = 10_000
FIRST = 700_000
PHONES = "6805"
"""The ten thousand numbers +47 6805 0000 to 9999."""


@cache
def identities() -> tuple[str, ...]:
    """The identity numbers of the people. Computed once, because it takes longer than the search."""
    found = tuple(dict.fromkeys(synthetic_identity(FIRST + n) for n in range(COUNT + 100)))[:COUNT]
    assert len(found) == COUNT
    return found


@cache
def phones() -> tuple[str, ...]:
    return tuple(f"{PHONES}{n:04}" for n in range(COUNT))


def identity_spellings(number: str) -> list[str]:
    """The ways people and programs write an identity number. Each contains the whole number."""
    day, serial = number[:6], number[6:]
    return [
        number,
        f"{day} {serial}",
        f"{day}-{serial}",
        f"{day}.{serial}",
        f"{day}\u00a0{serial}",
        f"{day[:2]}.{day[2:4]}.{day[4:]} {serial}",
        f"{day[:2]} {day[2:4]} {day[4:]} {serial}",
        " ".join(number),
        f"x{number}y",
        f"{number}68059999",
        str(int(number)),
        f"{day}_{serial}",
        quote(f"{day} {serial}"),
        "".join(f"%{ord(digit):02x}" for digit in number),
        "".join(f"\\u{ord(digit):04x}" for digit in number),
        json.dumps(json.dumps({"n": number})),
        "".join(f"&#{ord(digit)};" for digit in number),
        "".join(chr(0xFF10 + int(digit)) for digit in number),
        base64.b64encode(number.encode()).decode(),
        repr(number.encode("utf-16-le")),
        f"invalid literal for int(): '{number}x'",
    ]


def phone_spellings(number: str) -> list[str]:
    """The same for the eight digits of a phone number."""
    grouped = f"{number[:2]} {number[2:4]} {number[4:6]} {number[6:]}"
    return [
        f"+47{number}",
        f"0047{number}",
        number,
        grouped,
        f"+47 {grouped}",
        f"{number[:3]} {number[3:5]} {number[5:]}",
        quote(f"+47{number}"),
        f"tel:+47-{number}",
        grouped.replace(" ", "\u00a0"),
        f"sip:{number}@example.test",
        base64.b64encode(f"+47{number}".encode()).decode(),
    ]


@dataclass(frozen=True)
class Find:
    """A number in clear: its place, its kind, and the text around it with the number masked."""

    place: str
    kind: str
    around: str

    def __str__(self) -> str:
        return f"{self.kind} in {self.place}: …{self.around}…"


_GAP = "[ \\t\\u00a0\\u202f._,+/\\x00-]{0,2}"
_RUN = re.compile(rf"\d(?:{_GAP}\d){{7,}}", re.ASCII)
_ALONE = re.compile(r"(?<![0-9a-fA-F.])\d{8,}(?![0-9a-fA-F])", re.ASCII)
_DIGITS = re.compile(r"\d{8,}", re.ASCII)
_NO_DIGIT = re.compile(r"\D")
_ESCAPED = re.compile(r"\\+(?:u00|x)([0-9a-fA-F]{2})")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_HEX = re.compile(r"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{2}){11,}(?![0-9a-fA-F])")
_WIDE = re.compile("[\uff10-\uff19]")
_PHONE = re.compile(rf"{_GAP.join(PHONES)}(?:{_GAP}\d){{4}}(?![0-9a-fA-F])", re.ASCII)
_BEFORE_PHONE = re.compile(rf"(?:^|[^0-9a-fA-F.])(?:(?:00)?47{_GAP})?$", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
PART = 8
"""From this many digits, a part of a number reveals more than the masked form, which shows six."""


class Checker:
    """Finds canaries in any spelling: the text is reduced to plain digits, whose windows are looked up in a set."""

    def __init__(self, people: Sequence[str] = ()) -> None:
        """Look for these `people`, or all ten thousand."""
        people = people or identities()
        self._parts = {number[n : n + PART] for number in people for n in range(len(number) - PART + 1)}
        self._people = {*people, *(number[::-1] for number in people)}
        self._ints = {number.lstrip("0") for number in people if number.startswith("0")}

    def people(self, place: str, text: str | bytes) -> list[Find]:
        """Identity numbers in it."""
        return [Find(place, "identity", around) for plain in _plain(text) for around in self._in(plain)]

    def both(self, place: str, text: str | bytes) -> list[Find]:
        """Identity numbers and phone numbers in it."""
        found = []
        for plain in _plain(text):
            found += [Find(place, "identity", around) for around in self._in(plain)]
            for match in _PHONE.finditer(plain):
                if _BEFORE_PHONE.search(plain[max(0, match.start() - 8) : match.start()]):
                    found.append(Find(place, "phone", _around(plain, *match.span())))
        return found

    def parts(self, place: str, text: str) -> list[Find]:
        """Eight or more consecutive digits of an identity number. A random id may hold such digits by chance."""
        text = _UUID.sub("(id)", text)
        return [
            Find(place, "part of an identity", _around(text, *match.span()))
            for match in _ALONE.finditer(text)
            if any(window in self._parts for window in _windows(match[0], PART))
        ]

    def _in(self, plain: str) -> Iterator[str]:
        for run in _RUN.finditer(plain):
            digits = _NO_DIGIT.sub("", run[0])
            if any(window in self._people for window in _windows(digits, 11)) or not self._ints.isdisjoint(
                _DIGITS.findall(run[0])
            ):
                yield _around(plain, *run.span())


def _windows(digits: str, length: int) -> Iterator[str]:
    return (digits[n : n + length] for n in range(len(digits) - length + 1))


def _plain(text: str | bytes) -> Iterator[str]:
    """The text, and its decoded forms: escapes, percent encoding, entities, base64 and hex."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    text = _UUID.sub("(id)", text)
    text = _narrow(text)
    yield text
    if "%" in text or "\\" in text or "&" in text:
        undone = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), html.unescape(unquote(text)))
        yield _narrow(undone)
    hidden = [bytes.fromhex(word).decode("latin-1") for word in set(_HEX.findall(text))]
    hidden += [_from_base64(word) for word in set(_BASE64.findall(text))]
    if hidden:
        yield " | ".join(hidden)


def _narrow(text: str) -> str:
    """Convert full-width digits to ordinary ones."""
    return _WIDE.sub(lambda match: chr(ord(match[0]) - 0xFF10 + ord("0")), text)


def _from_base64(word: str) -> str:
    word = word.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        padded = word[: len(word) // 4 * 4 + (0 if len(word) % 4 == 1 else 4)] + "=="
        return base64.b64decode(padded).decode("latin-1")
    except ValueError:
        return ""


def _around(text: str, start: int, end: int) -> str:
    """Sixty characters on each side, with the digits masked except for the first two."""
    return repr(
        text[max(0, start - 60) : start] + text[start : start + 2] + "·" * (end - start - 2) + text[end : end + 60]
    )
