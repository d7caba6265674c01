"""What a part of the service says of itself, in the reader's language: the readiness checks answer in English."""

import re
import tomllib
from collections.abc import Mapping
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


@cache
def norwegian() -> Mapping[str, str]:
    """The translations, by the English detail with # for each number."""
    return tomllib.loads((FOLDER / "parts.nb.toml").read_text(encoding="utf-8"))
