"""Phone numbers that may be called back, and how they are read aloud. Pure; `phonenumbers` has the numbering plan."""

import re
from dataclasses import dataclass, field
from enum import StrEnum

import phonenumbers
from phonenumbers import PhoneNumberType as Type

from desk.numbers.errors import InvalidPhone

REGION = "NO"
COUNTRY_CODE = 47
MAX_LENGTH = 32
"""Longer than any number that people write. A longer text from a SIP header is refused before it is parsed."""

ALLOWED_TYPES = frozenset({Type.FIXED_LINE, Type.MOBILE, Type.FIXED_LINE_OR_MOBILE, Type.VOIP, Type.UAN})
NOT_CALLABLE = ("+47811", "+47812", "+47813", "+47814", "+47815", "+47816", "+47817", "+47818", "+47819", "+4788")
"""Norwegian series for services and messages: no patient has a telephone there."""
COSTLY_TYPES = frozenset({Type.PREMIUM_RATE, Type.SHARED_COST})
WITHHELD = frozenset({"anonymous", "unknown", "restricted", "unavailable", "private", "withheld"})
WRITTEN = re.compile(r"(?:\+|00)?[0-9](?:[ .\-()/]*[0-9])*")
DECORATION = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
"""Invisible characters, such as direction marks, that come along when a number is copied."""
SPACES = re.compile(r"[\s\u00a0\u2007\u2009\u202f]+")
TRUNK_ZERO = re.compile(r"(?<=\+47)\(0\)|(?<=\+47 )\(0\)")
"""The zero of «+47 (0) …», which is not dialled."""
COUNTRY_IN_BRACKETS = re.compile(r"^\((\+\d{1,3})\)")
SHORTEST_ORDINARY = 8
"""Norwegian subscriber numbers have eight digits (five for 0xxxx UAN). A number with fewer is a short number."""


class PhoneProblem(StrEnum):
    """Why a number was refused."""

    EMPTY = "empty"
    WITHHELD = "withheld"
    NOT_A_NUMBER = "not_a_number"
    SHORT_NUMBER = "short_number"
    PREMIUM = "premium"
    FOREIGN = "foreign"
    HOSPITAL = "hospital"


@dataclass(frozen=True)
class PhoneNumber:
    """A number that may be called. `str` and `repr` are masked; the number itself is `e164` (`+4768050001`)."""

    e164: str = field(repr=False)
    mobile: bool

    @property
    def masked(self) -> str:
        """The country code of a Norwegian number and its last two digits: `+47******01`."""
        kept = 3 if self.e164.startswith("+47") else 1
        return self.e164[:kept] + "*" * (len(self.e164) - kept - 2) + self.e164[-2:]

    @property
    def national_groups(self) -> tuple[str, ...]:
        """The digits as they are read aloud: mobile 3-2-3, other eight-digit numbers 2-2-2-2.

        A foreign number starts with 00 and its country code, followed by pairs.
        """
        if not self.e164.startswith(f"+{COUNTRY_CODE}"):
            number = phonenumbers.parse(self.e164, None)
            return (f"00{number.country_code}", *_pairs(self.e164[1 + len(str(number.country_code)) :]))
        national = self.e164[3:]
        if self.mobile and len(national) == 8:
            return national[:3], national[3:5], national[5:]
        return _pairs(national)

    def __str__(self) -> str:
        return self.masked

    def __repr__(self) -> str:
        return f"PhoneNumber({self.masked!r}, mobile={self.mobile})"


def parse_phone(raw: str | None, *, allow_foreign: bool = False, asserted: bool = False) -> PhoneNumber:
    """Read a caller id or keyed digits: `68050001`, `+4768050001`, `004768050001`, `(+47) 680 50 001`.

    `asserted`: the trunk says that this number is calling, so a Norwegian one is accepted also where the numbering plan
    of the library does not know it. Raises InvalidPhone with a problem and no digits, and nothing else, whatever a SIP
    caller sends.
    """
    text = "" if raw is None else _plain(raw)
    if not text:
        raise InvalidPhone(PhoneProblem.EMPTY)
    if text.strip('"<> ').lower() in WITHHELD:
        raise InvalidPhone(PhoneProblem.WITHHELD)
    if raw is None or len(raw.strip()) > MAX_LENGTH or not WRITTEN.fullmatch(text):
        raise InvalidPhone(PhoneProblem.NOT_A_NUMBER)
    return _checked(_read(text), allow_foreign=allow_foreign, asserted=asserted)


def _plain(raw: str) -> str:
    """Remove what decorates a copied number."""
    text = SPACES.sub(" ", DECORATION.sub("", raw[: 2 * MAX_LENGTH])).strip()
    return TRUNK_ZERO.sub("", COUNTRY_IN_BRACKETS.sub(r"\1", text))


def _read(text: str) -> phonenumbers.PhoneNumber:
    digits = re.sub(r"[^+0-9]", "", text)
    if not digits.startswith(("+", "00")) and _is_short(digits):
        raise InvalidPhone(PhoneProblem.SHORT_NUMBER)
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    try:
        return phonenumbers.parse(digits, REGION)
    except phonenumbers.NumberParseException:
        raise InvalidPhone(PhoneProblem.NOT_A_NUMBER) from None


def _is_short(digits: str) -> bool:
    """Whether it is like 113 or 116117, in the plan or not: too few digits for a subscriber."""
    if len(digits) == 5 and digits.startswith("0"):
        return False
    return len(digits) < SHORTEST_ORDINARY


def _checked(number: phonenumbers.PhoneNumber, *, allow_foreign: bool, asserted: bool) -> PhoneNumber:
    norwegian = number.country_code == COUNTRY_CODE
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if norwegian and _is_short(e164[3:]):
        raise InvalidPhone(PhoneProblem.SHORT_NUMBER)
    kind = phonenumbers.number_type(number)
    if e164.startswith(NOT_CALLABLE):
        raise InvalidPhone(PhoneProblem.NOT_A_NUMBER)
    if kind in COSTLY_TYPES:
        raise InvalidPhone(PhoneProblem.PREMIUM)
    if not norwegian and not allow_foreign:
        raise InvalidPhone(PhoneProblem.FOREIGN)
    known = kind in ALLOWED_TYPES or (asserted and norwegian and kind == Type.UNKNOWN and len(e164) - 3 in (5, 8))
    if not known:
        raise InvalidPhone(PhoneProblem.NOT_A_NUMBER)
    return PhoneNumber(e164, mobile=kind in (Type.MOBILE, Type.FIXED_LINE_OR_MOBILE))


def _pairs(digits: str) -> tuple[str, ...]:
    return tuple(digits[start : start + 2] for start in range(0, len(digits), 2))
