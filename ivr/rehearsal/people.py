"""People and numbers for rehearsals. None of them can be anybody's."""

from itertools import count

from desk.numbers.errors import InvalidIdentity
from desk.numbers.identity_number import parse_identity

FIRST_NUMBER = 68_050_000
NUMBERS = 10_000
"""+47 680 50 000 and on are kept for fiction."""


def identity(n: int) -> str:
    """The n-th synthetic identity number: 80 is added to the month, so that no person has it."""
    for individual in count(n):
        nine = f"{1 + n % 28:02}{81 + n // 28 % 12:02}{n // 336 % 100:02}{500 + individual % 400:03}"
        for ending in range(100):
            try:
                return parse_identity(f"{nine}{ending:02}", allow_test=True, allow_h=False).value
            except InvalidIdentity:
                continue
    raise AssertionError("count() never ends")


def wrong_identity(n: int) -> str:
    """One with its last digit mistyped."""
    right = identity(n)
    return right[:-1] + str((int(right[-1]) + 1) % 10)


def number(n: int) -> str:
    """The n-th fictional number, E.164."""
    return f"+47{FIRST_NUMBER + n % NUMBERS}"
