"""Thousands of random destinations, as from an attacker, a mistyping caller or a strange SIP header.

Each goes through the number check and the endpoint builder, and the result is compared with a separate rule.
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from desk.numbers.endpoints import patient_endpoint
from desk.numbers.errors import InvalidPhone
from desk.numbers.phone_number import PhoneNumber, parse_phone

Build = Callable[[PhoneNumber, Sequence[str]], str]

ENDPOINT = re.compile(r"PJSIP/(\+[1-9][0-9]{6,14})@trunk", re.ASCII)
NORWEGIAN = re.compile(r"\+47(?:[2345679][0-9]{7}|85[0-9]{6}|0[0-9]{4})", re.ASCII)
"""Subscribers: never 1xx (113), 80 (free), 81 (shared cost), 82 (premium)."""
SATELLITE_OR_PREMIUM = ("+870", "+878", "+881", "+882", "+883", "+888", "+979")
PREFIXES = (("+47",), ("+47", "+46", "+45"), ("+4768",), ("+",))
JUNK = "0123456789" * 6 + "+-() /@&,;:=.*#xXeE%\\\"'<>\n\t\x00|~äø６٣"
STARTS = ("", "+", "00", "+47", "0047", "+46", "+1900", "+44909", "+881", "+979", "820", "829", "815", "113", "sip:")


@dataclass
class FuzzResult:
    """The result. `astray` contains endpoints that break the rule."""

    endpoints: int = 0
    refused: int = 0
    astray: list[str] = field(default_factory=list)


def build_endpoint(phone: PhoneNumber, prefixes: Sequence[str]) -> str:
    return patient_endpoint(phone, prefixes=prefixes)


def fuzz(*, seed: int, count: int, build: Build = build_endpoint) -> FuzzResult:
    """Try `count` destinations; the same `seed` tries the same ones."""
    result, dice = FuzzResult(), random.Random(seed)
    for _ in range(count):
        prefixes = dice.choice(PREFIXES)
        text = _destination(dice)
        try:
            # half of them bypass the number check, as a row changed by hand would
            unchecked = dice.random() < 0.5
            phone = PhoneNumber(text, False) if unchecked else parse_phone(text, allow_foreign=dice.random() < 0.7)
            endpoint = build(phone, prefixes)
        except InvalidPhone:
            result.refused += 1
            continue
        result.endpoints += 1
        if not _allowed(endpoint, prefixes):
            result.astray.append(endpoint)
    return result


def _destination(dice: random.Random) -> str:
    kind = dice.random()
    if kind < 0.4:  # a number of a plausible length
        return dice.choice(STARTS) + "".join(dice.choices("0123456789", k=dice.randint(3, 12)))
    if kind < 0.6:  # a valid number with something inserted
        good = f"+476805{dice.randrange(10000):04}"
        place = dice.randint(0, len(good))
        return good[:place] + "".join(dice.choices(JUNK, k=dice.randint(0, 3))) + good[place:]
    if kind < 0.8:
        return f"+47{dice.randrange(10**8):08}"
    return "".join(dice.choices(JUNK, k=dice.randint(0, 40)))


def _allowed(endpoint: str, prefixes: Sequence[str]) -> bool:
    match = ENDPOINT.fullmatch(endpoint)
    if not match or not match[1].startswith(tuple(prefixes)) or match[1].startswith(SATELLITE_OR_PREMIUM):
        return False
    return not match[1].startswith("+47") or NORWEGIAN.fullmatch(match[1]) is not None
