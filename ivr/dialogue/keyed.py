"""What a caller meant with the digits keyed: surplus keys, doubled keys, a number that was started over. Pure."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, groupby
from typing import Final

from desk.numbers.errors import InvalidIdentity, InvalidPhone
from desk.numbers.identity_number import LENGTH, IdentityNumber, IdentityProblem, parse_identity
from desk.numbers.phone_number import PhoneNumber, PhoneProblem, parse_phone

NORWEGIAN_DIGITS: Final = 8
COUNTRY: Final = "47"
MOST_DOUBLED: Final = 3
"""Doubled keys in one number that we try to leave out."""


@dataclass(frozen=True)
class KeyedPhone:
    """A telephone number from keys. `changed`: a rule made it of other keys, so it must be read back.

    `doubtful`: the surplus keys do not explain it, so another one may be missing.
    """

    number: PhoneNumber
    changed: bool = False
    doubtful: bool = False


def read_identity(keyed: str, *, allow_test: bool, allow_h: bool) -> IdentityNumber:
    """Read an identity number from at least eleven keys. Raises InvalidIdentity.

    With surplus keys it is the only valid number among the first eleven, the last eleven, and what is left without
    doubled keys. Where there are several valid ones, it could be anyone's and is refused. It is doubtful where the
    surplus keys do not explain it: then another slip may have made it valid by chance.
    """
    if len(keyed) <= LENGTH:
        return parse_identity(keyed, allow_test=allow_test, allow_h=allow_h)
    found = set[IdentityNumber]()
    for digits in {keyed[:LENGTH], keyed[-LENGTH:], *_without_doubled(keyed, LENGTH)}:
        try:
            found.add(parse_identity(digits, allow_test=allow_test, allow_h=allow_h))
        except InvalidIdentity:
            continue
    if len(found) != 1:
        raise InvalidIdentity(IdentityProblem.CONTROL_DIGITS)
    number = found.pop()
    return replace(number, doubtful=not _explained(keyed, number.value))


def _explained(keyed: str, digits: str) -> bool:
    """Whether single keys that were doubled or held, or a number that was started over, explain the surplus keys.

    A key that is left doubled although it was pressed three times is none of these.
    """
    if _is_started_over(keyed, digits):
        return True
    runs, left = _runs(keyed), _runs(digits)
    if [key for key, _ in runs] != [key for key, _ in left]:
        return False
    return all(count in (1, pressed) for (_, pressed), (_, count) in zip(runs, left, strict=True))


def keeps_doubled(keyed: str, digits: str, doubled: Collection[int]) -> bool:
    """Whether `digits`, which were read of these keys, still contain a key that was doubled.

    `doubled`: the places in `keyed` where a key came again too fast. Then another key may be missing.
    """
    if not doubled or (_is_started_over(keyed, digits) and max(doubled) <= len(keyed) - len(digits)):
        return False
    runs, left = _runs(keyed), _runs(digits)
    if [key for key, _ in runs] != [key for key, _ in left]:
        return True
    ends = accumulate(count for _, count in runs)
    return any(
        count + sum(end - pressed < place < end for place in doubled) > pressed
        for end, (_, pressed), (_, count) in zip(ends, runs, left, strict=True)
    )


def _is_started_over(keyed: str, digits: str) -> bool:
    return keyed.endswith(digits) and digits.startswith(keyed[: -len(digits)])


def _runs(digits: str) -> list[tuple[str, int]]:
    """The digits and how often each comes in a row."""
    return [(key, len(list(same))) for key, same in groupby(digits)]


def may_become_identity(keyed: str) -> bool:
    """Whether these first digits can become an identity number: the day exists, perhaps with 40 added."""
    if not 0 < len(keyed) < LENGTH:
        return False
    if keyed[0] in "89":
        return True
    if len(keyed) == 1:
        return True
    day = int(keyed[:2])
    return 1 <= day <= 31 or 41 <= day <= 71


def starts_over(kept: str, rest: str) -> bool:
    """Whether the caller may be keying the whole number again, instead of the rest of what was `kept`."""
    return bool(kept) and rest[:1] == kept[:1]


def read_phone(keyed: str) -> KeyedPhone:
    """Read a telephone number from keys. Raises InvalidPhone.

    47 and eight digits is a country code. Where leaving out doubled keys gives only one number of eight digits, that
    is meant.
    """
    if len(keyed) == len(COUNTRY) + NORWEGIAN_DIGITS and keyed.startswith(COUNTRY):
        return KeyedPhone(parse_phone(f"+{keyed}"), changed=True)
    if len(keyed) > NORWEGIAN_DIGITS and not keyed.startswith("00"):
        meant = set(_without_doubled(keyed, NORWEGIAN_DIGITS))
        if len(meant) != 1:
            raise InvalidPhone(PhoneProblem.NOT_A_NUMBER)
        (digits,) = meant
        return KeyedPhone(parse_phone(digits), changed=True, doubtful=not _explained(keyed, digits))
    return KeyedPhone(parse_phone(keyed, allow_foreign=True))


def is_one_key(keyed: str, key: str) -> bool:
    """Whether this is one key, perhaps doubled or held."""
    return bool(keyed) and set(keyed) == {key}


def _without_doubled(keyed: str, length: int) -> Iterator[str]:
    """Yield what is left when as many doubled keys as there are surplus keys count once."""
    surplus = len(keyed) - length
    if surplus > MOST_DOUBLED:
        return
    left = {keyed}
    for _ in range(surplus):
        left = {
            each[:place] + each[place + 1 :]
            for each in left
            for place in range(len(each) - 1)
            if each[place] == each[place + 1]
        }
    yield from left
