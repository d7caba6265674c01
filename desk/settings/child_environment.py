"""The environment of programs we start that are not ours: Asterisk, PostgreSQL, espeak-ng."""

import os

KEPT = frozenset({"PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEST_PROCESS"})
"""TEST_PROCESS is how a test run that is interrupted finds what it started."""


def child_environment(**more: str) -> dict[str, str]:
    """The few variables such a program needs, and `more`. None of the service's: they hold its keys and passwords."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("LC_")}
    return kept | more
