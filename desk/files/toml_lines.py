"""Where in a TOML text a key stands: tomllib reads values and forgets their places. Pure."""

import tomllib
from collections.abc import Iterator
from typing import Any

Path = tuple[str, ...]


def key_lines(text: str) -> dict[Path, int]:
    """The line, from 1, on which each key and table of a valid TOML text begins: `("kirurgi", "cutoff") -> 12`.

    Each statement is read by itself, so that quoted and dotted keys, comments and values over several lines are
    understood as tomllib understands them. Keys within an inline table stand on the line of its statement.
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
    """Each statement with the line it begins on. A line that can't be read alone goes on on the next."""
    statement, start = "", 1
    for number, line in enumerate(text.split("\n"), start=1):
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
    """Every path in a nested table, the outer before the inner."""
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
