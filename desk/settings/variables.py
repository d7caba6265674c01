"""The names of our environment variables, and a warning for those that nothing reads."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final

from desk.settings.settings import PREFIX, SECRETS, Settings

TOOL_VARIABLES: Final[Mapping[str, str]] = {
    "CACHE": "Where Asterisk and the tools are unpacked: `~/.cache/innringing`, for root `/var/cache/innringing`.",
    "DEBIAN_MIRROR": "The mirror they are fetched from. Unset: the machine's own.",
    "DEBIAN_SNAPSHOT": "A day of Debian's archive, for a mirror with `{snapshot}` in its address.",
    "POSTGRES": "The PostgreSQL of the tests: `local`, `container`, `tree`, or `auto`, the first of them there is.",
    "POSTGRES_PORT": "The port of the PostgreSQL that `make up` starts. Unset: 5432.",
    "AUDIT": "`required`: `make check` fails where advisories can't be read (docs/network.md#containers).",
    "AUDIT_URL": "Where advisories are read. Unset: OSV.",
    "API": "The address of the REST API, for docs/examples/round.py.",
    "TOKEN": "The agent's token, for docs/examples/round.py.",
}
"""What each variable means that is read by the programs around the service; names without INNRINGING_."""


def known() -> frozenset[str]:
    """Return the name of every variable that is read, without INNRINGING_."""
    settings = {name.upper() for name in Settings.model_fields}
    return frozenset({*settings, *(f"{name.upper()}_FILE" for name in SECRETS), *TOOL_VARIABLES})


def unread(environment: Iterable[str]) -> list[str]:
    """Return a line for each of our variables in the environment that nothing reads. Values are never shown."""
    found = sorted(name for name in environment if name.upper().startswith(PREFIX))
    return [_line(name) for name in found if name.upper().removeprefix(PREFIX) not in known()]


def _line(name: str) -> str:
    meant = get_close_matches(name.upper().removeprefix(PREFIX), sorted(known()), n=1)
    advice = f"did you mean {PREFIX}{meant[0]}?" if meant else "take it out, or see docs/settings.md"
    return f"{name} is set, and nothing reads it: {advice}"
