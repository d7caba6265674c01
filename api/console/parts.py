"""What the service itself writes in English, in the reader's language: details of its parts, mistakes in files."""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from api.console.words import FOLDER

NUMBER: Final = re.compile(r"\d+")


@dataclass(frozen=True)
class PartDetail:
    """A detail and the language that it is in."""

    text: str
    language: str


def detail_in(detail: str, language: str) -> PartDetail:
    """The detail in that language: in Bokmål for both Norwegian languages; as it is where there is no translation."""
    translated = None if language == "en" else norwegian().get(NUMBER.sub("#", detail))
    if translated is None:
        return PartDetail(detail, "en")
    numbers = iter(NUMBER.findall(detail))
    return PartDetail(re.sub("#", lambda _: next(numbers), translated), "nb")


def message_in(message: str, language: str, translate: Callable[[str], str]) -> PartDetail:
    """A message of commands, such as a mistake in a file, in that language. `translate` puts it into Bokmål."""
    translated = message if language == "en" else translate(message)
    return PartDetail(translated, "en" if translated == message else "nb")


@cache
def norwegian() -> Mapping[str, str]:
    """The translations, by the English detail with # for each number."""
    return tomllib.loads((FOLDER / "parts.nb.toml").read_text(encoding="utf-8"))
