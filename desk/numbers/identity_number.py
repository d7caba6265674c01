"""Norwegian national identity numbers: whether a number is one, of which kind, and whether it may be used here. Pure.

Eleven digits: six for a date (none in FH-numbers), three that distinguish people, two control digits.
The kinds differ in what is added to the date:

    fødselsnummer  ddmmyy               FH-number   first digit 8 or 9, no date
    D-number       day + 40             Tenor       month + 80 (Skatteetaten's synthetic persons)
    H-number       month + 40           NAV         month + 40 (NAV's synthetic persons)
                                        NHN         month + 65 (Norsk helsenett's synthetic persons)

A synthetic number may also be a D-number (day + 40). Age and sex are never derived: the century tables are wrong for
D-numbers issued since November 2021, and from 2032 the digits no longer show it.
Sources: Skatteetaten «Nytt fødselsnummer i 2032», «Testdata i Tenor»; NAV, github.com/navikt/fnrvalidator.
"""

import re
import unicodedata
from calendar import monthrange
from dataclasses import dataclass, field
from enum import StrEnum

from desk.numbers.errors import InvalidIdentity

LENGTH = 11
FIRST_WEIGHTS = (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)
SECOND_WEIGHTS = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)
FIRST_REMAINDERS = frozenset({0, 1, 2, 3})
"""Allowed remainders of the first weighted sum modulo 11: 0 today, 0 to 3 in numbers issued from 2032."""

HIDDEN = ("Cf", "Cc", "Mn", "Me")
"""Categories of characters that a reader does not see; line breaks and tabs are kept apart as white space."""
ZEROS = "oOоОοΟ"
"""Letters O: Latin, Cyrillic, Greek."""
LETTER = re.compile(r"[0-9oOоОοΟlI|]{6,}")
SEPARATOR = re.compile(r"(?<=[0-9oOоОοΟlI|])[\s._/+-]{1,2}(?=[0-9oOоОοΟlI|])")

D_DAY, H_MONTH, NHN_MONTH, TENOR_MONTH = 40, 40, 65, 80


class IdentityKind(StrEnum):
    """The kind of number. A synthetic D-number has the kind of its synthetic series."""

    FNR = "fnr"
    DNR = "dnr"
    HNR = "hnr"
    FH = "fh"
    TENOR = "tenor"
    NAV = "nav"
    NHN = "nhn"


class IdentityProblem(StrEnum):
    """Why a number was refused."""

    LENGTH = "length"
    NOT_DIGITS = "not_digits"
    DATE = "date"
    CONTROL_DIGITS = "control_digits"
    KIND_NOT_ALLOWED = "kind_not_allowed"


@dataclass(frozen=True)
class IdentityNumber:
    """A valid number. `str` and `repr` are masked; the digits are in `value`, to be sealed, never shown.

    `doubtful`: the keys could have meant another person's number.
    """

    value: str = field(repr=False)
    kind: IdentityKind
    doubtful: bool = field(default=False, compare=False)

    @property
    def masked(self) -> str:
        """The date only: `010150*****`. An FH-number has no date and shows its first digit alone."""
        shown = 1 if self.kind is IdentityKind.FH else 6
        return self.value[:shown] + "*" * (LENGTH - shown)

    def __str__(self) -> str:
        return self.masked

    def __repr__(self) -> str:
        return f"IdentityNumber({self.masked!r}, {self.kind.value!r})"


def parse_identity(digits: str, *, allow_test: bool, allow_h: bool) -> IdentityNumber:
    """Check `digits` and return the number with its kind.

    `allow_test` accepts synthetic numbers (Tenor, NAV, NHN), `allow_h` an institution's own H-numbers. Month + 40 is
    both H and NAV: either setting accepts it, and it is read as H where H-numbers are in use.
    Raises InvalidIdentity with a problem and no digits.
    """
    if not (digits.isascii() and digits.isdigit()) and digits:
        raise InvalidIdentity(IdentityProblem.NOT_DIGITS)
    if len(digits) != LENGTH:
        raise InvalidIdentity(IdentityProblem.LENGTH)
    kind = _kind(digits, allow_h=allow_h)
    if kind is None:
        raise InvalidIdentity(IdentityProblem.DATE)
    if not _control_digits_fit(digits):
        raise InvalidIdentity(IdentityProblem.CONTROL_DIGITS)
    if kind in (IdentityKind.TENOR, IdentityKind.NAV, IdentityKind.NHN) and not allow_test:
        raise InvalidIdentity(IdentityProblem.KIND_NOT_ALLOWED)
    return IdentityNumber(digits, kind)


def holds_identity(text: str) -> bool:
    """Whether a text contains an identity number of any kind, also with spaces, dots or dashes in it.

    Digits of other scripts, a letter O or l in place of a digit, and invisible characters don't hide one.
    """
    runs = re.findall(r"\d{11,}", _with_plain_digits(text))
    return any(_is_identity(run[start : start + LENGTH]) for run in runs for start in range(len(run) - LENGTH + 1))


def _with_plain_digits(text: str) -> str:
    """Write every digit, and every letter that stands for one next to a digit, as 0 to 9."""
    visible = (sign for sign in unicodedata.normalize("NFKC", text) if unicodedata.category(sign) not in HIDDEN)
    plain = "".join(str(unicodedata.decimal(sign, sign)) for sign in visible)
    plain = SEPARATOR.sub("", plain)
    return LETTER.sub(lambda found: re.sub(r"\D", _digit, found[0]), plain)


def _digit(letter: re.Match[str]) -> str:
    return "0" if letter[0] in ZEROS else "1"


def _is_identity(digits: str) -> bool:
    try:
        parse_identity(digits, allow_test=True, allow_h=True)
    except InvalidIdentity:
        return False
    return True


def _kind(digits: str, *, allow_h: bool) -> IdentityKind | None:
    """Return the kind that the date part shows, or None if it holds no date."""
    if digits[0] in "89":
        return IdentityKind.FH
    day, month, year = int(digits[:2]), int(digits[2:4]), int(digits[4:6])
    is_d = day > D_DAY
    if is_d:
        day -= D_DAY
    kind, offset = _series(month, is_d=is_d, allow_h=allow_h)
    return kind if _is_date(day, month - offset, year) else None


def _series(month: int, *, is_d: bool, allow_h: bool) -> tuple[IdentityKind, int]:
    """Return the kind, and what its series adds to the month. The ranges are apart: 1-12, 41-52, 66-77, 81-92."""
    if month > TENOR_MONTH:
        return IdentityKind.TENOR, TENOR_MONTH
    if month > NHN_MONTH:
        return IdentityKind.NHN, NHN_MONTH
    if month > H_MONTH:
        # An institution gives an H-number to a person who has no other number: it is never a D-number as well.
        return (IdentityKind.HNR if allow_h and not is_d else IdentityKind.NAV), H_MONTH
    return (IdentityKind.DNR if is_d else IdentityKind.FNR), 0


def _is_date(day: int, month: int, year: int) -> bool:
    """Whether the date exists in a century in which a person alive or recently dead may be born.

    The digits don't show the century reliably, so 29 February is accepted if 18yy, 19yy, 20yy or 21yy is a leap year.
    """
    if not 1 <= month <= 12:
        return False
    return any(1 <= day <= monthrange(century + year, month)[1] for century in (1800, 1900, 2000, 2100))


def _control_digits_fit(digits: str) -> bool:
    numbers = [int(digit) for digit in digits]
    first = sum(weight * number for weight, number in zip(FIRST_WEIGHTS, numbers, strict=False)) % 11
    second = sum(weight * number for weight, number in zip(SECOND_WEIGHTS, numbers, strict=True)) % 11
    return first in FIRST_REMAINDERS and second == 0
