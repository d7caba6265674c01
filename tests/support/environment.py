"""The environment of a program under test: this process's variables, messages in English, and no limits."""

import os

UNLIMITED = {
    "requests_a_minute": 10**6,
    "refusals_a_minute": 10**6,
    "numbers_an_hour": 10**6,
    "transfers_a_day": 10**6,
    "claims_at_once": 10**6,
}
"""Settings for tests, which send requests faster than people work, some of them with a fixed clock."""


def without_ours() -> dict[str, str]:
    """This process's variables, except those that start with INNRINGING_, and messages in English."""
    others = {name: value for name, value in os.environ.items() if not name.upper().startswith("INNRINGING_")}
    return {**others, "INNRINGING_LANGUAGE": "en"}
