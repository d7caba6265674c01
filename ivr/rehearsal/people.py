"""Synthetic identity numbers and phone numbers for rehearsals. None of them can belong to a real person."""

from itertools import count

from desk.numbers.errors import InvalidIdentity
from desk.numbers.identity_number import parse_identity

FIRST_NUMBER = 68_050_000
NUMBERS = 10_000
"""Numbers from +47 680 50 000 on are reserved for fiction."""


def identity(n: int) -> str:
    """Return the n-th synthetic identity number. Its month has 80 added, so no real person has it."""
    for individual in count(n):
        nine = f"{1 + n % 28:02}{81 + n // 28 % 12:02}{n // 336 % 100:02}{500 + individual % 400:03}"
        for ending in range(100):
            try:
                return parse_identity(f"{nine}{ending:02}", allow_test=True, allow_h=False).value
            except InvalidIdentity:
                continue
    raise AssertionError("count() never ends")


def wrong_identity(n: int) -> str:
    """Return the n-th identity number with a wrong last digit."""
    right = identity(n)
    return right[:-1] + str((int(right[-1]) + 1) % 10)


def number(n: int) -> str:
    """Return the n-th fictional phone number, E.164."""
    return f"+47{FIRST_NUMBER + n % NUMBERS}"
