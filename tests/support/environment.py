"""What a program or test is begun with: this process' variables without our own, and limits out of the way."""

import os

UNLIMITED = {"requests_a_minute": 10**6, "refusals_a_minute": 10**6, "numbers_an_hour": 10**6}
"""Settings for tests: they ask faster than anybody works, some of them while their clock stands still."""


def without_ours() -> dict[str, str]:
    """This process' variables but those of INNRINGING_."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith("INNRINGING_")}
