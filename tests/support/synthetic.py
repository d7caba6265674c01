"""Synthetic identity numbers: Tenor-style (month + 80), so none can belong to a person."""

import random

FIRST_WEIGHTS = (3, 7, 6, 1, 8, 9, 4, 5, 2)
SECOND_WEIGHTS = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)


def with_control_digits(nine: str, *, remainder: int = 0) -> str | None:
    """The nine digits with their two control digits, or None where the rule discards them.

    `remainder` is what the first weighted sum leaves modulo 11: 0 today, 0 to 3 in numbers issued from 2032. A control
    digit of ten is discarded under both rules.
    """
    digits = [int(digit) for digit in nine]
    first = (remainder - sum(weight * digit for weight, digit in zip(FIRST_WEIGHTS, digits, strict=True))) % 11
    if first == 10:
        return None
    digits.append(first)
    second = -sum(weight * digit for weight, digit in zip(SECOND_WEIGHTS, digits, strict=True)) % 11
    return None if second == 10 else f"{nine}{first}{second}"


def synthetic_identity(n: int, *, day_offset: int = 0, month_offset: int = 80, remainder: int = 0) -> str:
    """The n-th synthetic number: deterministic, and different for each n below some millions.

    `day_offset` 40 makes a D-number; `month_offset` 80 is Tenor, 40 NAV, 65 Norsk helsenett, 0 an ordinary one.
    """
    source = random.Random(n * 1_000_003 + day_offset * 101 + month_offset)
    while True:
        day, month, year = source.randint(1, 28), source.randint(1, 12), source.randint(0, 99)
        nine = f"{day + day_offset:02}{month + month_offset:02}{year:02}{source.randint(0, 999):03}"
        number = with_control_digits(nine, remainder=remainder)
        if number is not None:
            return number
