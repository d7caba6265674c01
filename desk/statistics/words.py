"""What the figures' tables, columns and codes are called."""

import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Final

LANGUAGES: Final = ("nb", "nn", "en")
AS_THEY_ARE: Final = ("topic", "prompts")
"""Columns of names, which no code is among."""
DAYS: Final = ("day", "from")


@cache
def _words() -> Mapping[str, Mapping[str, list[str]]]:
    return tomllib.loads(files("desk.statistics").joinpath("words.toml").read_text("utf-8"))


class FigureWords:
    """The words of one language. A code without a word is shown as it is."""

    def __init__(self, language: str = LANGUAGES[0]) -> None:
        self._place = LANGUAGES.index(language)

    def table(self, name: str) -> str:
        """The name of a table."""
        return _words()["tables"][name][self._place]

    def column(self, name: str) -> str:
        """The heading of a column."""
        return _words()["columns"][name][self._place]

    def value(self, column: str, value: str) -> str:
        """A text of that column."""
        if value and column in AS_THEY_ARE:
            return value
        if column in DAYS:
            return f"{date.fromisoformat(value):%d.%m.%Y}"
        found = _words()["weekdays" if column == "weekday" else "codes"].get(value or "none")
        return found[self._place] if found else value
