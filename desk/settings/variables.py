"""The names of our environment variables: to document them, and to report those that nothing reads."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from pydantic.fields import FieldInfo

from desk.settings.group import PREFIX, may_be_in_file
from desk.settings.settings import group_types, names, secret_names

TOOL_VARIABLES: Final[Mapping[str, str]] = {
    "CACHE": "Where Asterisk and the tools are unpacked: `~/.cache/innringing`, for root `/var/cache/innringing`.",
    "DEBIAN_MIRROR": "The mirror they are fetched from. Unset: the machine's own.",
    "DEBIAN_SNAPSHOT": "A day of Debian's archive, for a mirror with `{snapshot}` in its address.",
    "POSTGRES": "The PostgreSQL of the tests: `local`, `container`, `tree`, or `auto`, the first of them there is.",
    "POSTGRES_PORT": "The port of the PostgreSQL that `make up` starts. Unset: 5432.",
    "AUDIT": "`required`: `make check` fails where advisories can't be read (docs/network.md#containers).",
    "AUDIT_URL": "Where advisories are read. Unset: OSV.",
    "LANGUAGE": "The language of the commands' messages, as with `--language`: `nb` or `en`. Unset: `nb`.",
    "API": "The address of the REST API, for docs/examples/round.py.",
    "TOKEN": "The agent's token, for docs/examples/round.py.",
}
"""What each variable means that is read by the programs around the service; names without INNRINGING_."""


@dataclass(frozen=True)
class Variable:
    """One variable, for the documents. `group` is the attribute of `Settings` it belongs to."""

    name: str
    group: str
    field: FieldInfo
    may_be_in_file: bool

    @property
    def description(self) -> str:
        """What it means, in Markdown."""
        return self.field.description or ""


def variables() -> list[Variable]:
    """List the variables of the settings by group; one that several groups read is in the first."""
    found: dict[str, Variable] = {}
    for group, model in group_types().items():
        for field, info in model.model_fields.items():
            name = model.variable(field)
            found.setdefault(name, Variable(name, group, info, may_be_in_file(info)))
    return list(found.values())


def known() -> frozenset[str]:
    """Return every variable that is read, without INNRINGING_."""
    return frozenset(
        {
            *(name.upper() for name in names()),
            *(f"{name.upper()}_FILE" for name in secret_names()),
            *TOOL_VARIABLES,
        }
    )


def unread(environment: Iterable[str]) -> list[str]:
    """Return a line for each variable of ours in that environment that nothing reads; never its value."""
    found = sorted(name for name in environment if name.upper().startswith(PREFIX))
    return [_line(name) for name in found if name.upper().removeprefix(PREFIX) not in known()]


def _line(name: str) -> str:
    meant = get_close_matches(name.upper().removeprefix(PREFIX), sorted(known()), n=1)
    advice = f"did you mean {PREFIX}{meant[0]}?" if meant else "take it out, or see docs/settings.md"
    return f"{name} is set, and nothing reads it: {advice}"
