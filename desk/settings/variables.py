"""Which variables of INNRINGING_ there are. One that nothing reads was meant to change something, and does not."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from desk.settings.settings import PREFIX, SECRETS, Settings

BESIDE: Final = frozenset(
    {
        *("CACHE", "DEBIAN_MIRROR", "DEBIAN_SNAPSHOT"),  # how Asterisk and the tools are had
        *("POSTGRES", "POSTGRES_PORT"),  # which PostgreSQL tests use; the port of the one of `make up`
        *("AUDIT", "AUDIT_URL"),  # how dependencies are looked up
        *("API", "TOKEN"),  # of docs/examples/round.py
    }
)
"""Read by the programs around the service; names without INNRINGING_."""


def known() -> frozenset[str]:
    """Every variable that is read, without INNRINGING_."""
    settings = {name.upper() for name in Settings.model_fields}
    return frozenset({*settings, *(f"{name.upper()}_FILE" for name in SECRETS), *BESIDE})


def unread(environment: Iterable[str]) -> list[str]:
    """A line for each of our variables in that environment that nothing reads; never its value."""
    found = sorted(name for name in environment if name.upper().startswith(PREFIX))
    return [_line(name) for name in found if name.upper().removeprefix(PREFIX) not in known()]


def _line(name: str) -> str:
    meant = get_close_matches(name.upper().removeprefix(PREFIX), sorted(known()), n=1)
    advice = f"did you mean {PREFIX}{meant[0]}?" if meant else "take it out, or see the settings in README.md"
    return f"{name} is set, and nothing reads it: {advice}"
