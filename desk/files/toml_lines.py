"""The lines of the keys in a TOML text, which tomllib does not report. Pure."""

import tomllib
from collections.abc import Iterator
from typing import Any, Final

Path = tuple[str, ...]
LONGEST: Final = 500
"""Lines of one statement. After a longer one, lines are not known."""


def key_lines(text: str) -> dict[Path, int]:
    """Return the line, from 1, of each key and table of a valid TOML text: `("kirurgi", "cutoff") -> 12`.

    Each statement is parsed by itself, so that quoted and dotted keys, comments and values over several lines are
    read as tomllib reads them. Keys of an inline table have the line of its statement.
    """
    lines: dict[Path, int] = {}
    table: Path = ()
    for start, statement in _statements(text):
        parsed = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            *_, table = _paths(parsed)
            lines.setdefault(table, start)
        else:
            for path in _paths(parsed):
                lines.setdefault(table + path, start)
    return lines


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each statement with its first line. A line that can't be parsed alone continues on the next."""
    statement, start = "", 1
    for number, line in enumerate(text.split("\n"), start=1):
        if number - start > LONGEST and statement:
            return  # parsing it again with each line would take minutes
        if not statement:
            start = number
        statement += line + "\n"
        try:
            holds_something = bool(tomllib.loads(statement))
        except tomllib.TOMLDecodeError:
            continue
        if holds_something:
            yield start, statement
        statement = ""


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield every path in a nested table, outer before inner."""
    if path:
        yield path
    if isinstance(value, list):  # an array of tables: [[name]]
        for item in value:
            if isinstance(item, dict):
                for key, inner in item.items():
                    yield from _paths(inner, (*path, key))
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
