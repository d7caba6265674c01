"""The console's words, in three languages. Operators do not edit them: they belong to the pages.

`words/<language>.toml` has a table for each page. A word is found by `page.name`; `{…}` in it takes a value, and a word
that counts has `one` and `other`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from fastapi import Request

LANGUAGES: Final = ("nb", "nn", "en")
LANGUAGE_COOKIE: Final = "innringing-language"
FOLDER: Final = Path(__file__).parent / "words"


@dataclass(frozen=True)
class Wording:
    """The words of one language. A word that it lacks is taken from Bokmål."""

    language: str
    texts: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """Return the words of that key. Raises KeyError for a key that no language has."""
        text = self.texts[key]
        return text.format(**values) if values else text

    def has(self, key: str) -> bool:
        """Whether there are words for that key."""
        return key in self.texts

    def count(self, key: str, number: int, **values: object) -> str:
        """Return the words for that many: `key.one` or `key.other`, with `{n}`."""
        return self(f"{key}.{'one' if number == 1 else 'other'}", n=number, **values)


@cache
def words_of(language: str) -> Wording:
    """The words of a language, read once."""
    own = _read(language)
    return Wording(language, own if language == "nb" else {**_read("nb"), **own})


def language_of(request: Request) -> str:
    """The language that the browser has chosen on a page of ours, else the first of its own that we have."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    for preferred in request.headers.get("accept-language", "").lower().split(","):
        primary = preferred.split(";")[0].strip().split("-")[0]
        if primary == "no":
            return "nb"
        if primary in LANGUAGES:
            return primary
    return "nb"


def _read(language: str) -> dict[str, str]:
    return dict(_flat(tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))))


def _flat(table: Mapping[str, Any], path: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in table.items():
        name = f"{path}.{key}" if path else key
        found += _flat(value, name) if isinstance(value, dict) else [(name, value)]
    return found
