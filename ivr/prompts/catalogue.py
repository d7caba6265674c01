"""Read and validate prompts/catalogue.toml: the text of each key in each language."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from desk.files.toml_files import read_text
from desk.files.toml_lines import key_lines
from desk.files.toml_models import Place, load_toml, refusal, suggestion, wrong
from ivr.prompts.keys import OWN_ANSWER, all_keys, department_welcome

_MISSING = "the catalogue of prompts is missing"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LONGEST_PAUSE = 5.0
_LONGEST_TONE = 0.08  # fast callers press keys 100 ms apart, and each key has its own tone
# Leftover placeholders. Texts have none: times and numbers are spoken from fragments.
_PLACEHOLDER = re.compile(r"\{[^}]*\}?|\[[^\]]*\]?|<[^>]*>?|%[sd]|\$\w+|\b(?:TODO|FIXME|XXX+)\b|_{2,}|\.{3}|…")


class PromptsError(Exception):
    """The prompts could not be read or built."""


class CatalogueError(PromptsError):
    """The catalogue is invalid: file, line (from 1, or None) and reason."""

    def __init__(self, file: Path, line: int | None, reason: str) -> None:
        super().__init__(f"{file}:{line}: {reason}" if line is not None else f"{file}: {reason}")
        self.file = file
        self.line = line
        self.reason = reason


class RecordingUnusable(PromptsError):
    """A recording can't be played to callers: its file and the reason."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.reason = reason


class ProgramMissing(PromptsError):
    """A program that generates or reads sound is not installed."""


@dataclass(frozen=True)
class Catalogue:
    """Texts by language and key. `fragments` are parts of sentences. `silences` and `tones` have lengths in seconds.

    A language has exactly the keys of `ivr.prompts.keys` (pauses and tones are shared), plus the operators' own
    answers.
    """

    texts: Mapping[str, Mapping[str, str]]
    fragments: Mapping[str, frozenset[str]]
    silences: Mapping[str, float]
    tones: Mapping[str, float] = field(default_factory=dict)

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.texts)

    def keys(self, language: str) -> frozenset[str]:
        """Return every key of a language, including pauses and tones."""
        return frozenset(self.texts[language]) | frozenset(self.silences) | frozenset(self.tones)

    def text(self, language: str, key: str) -> str:
        """Return the text of a prompt. Empty for a pause or a tone."""
        return "" if key in self.silences or key in self.tones else self.texts[language][key]

    def is_fragment(self, language: str, key: str) -> bool:
        return key in self.fragments[language]


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise wrong("has no text")
    if rest := _PLACEHOLDER.search(value):
        raise wrong(f"holds «{rest[0]}», which would be read aloud as it stands")
    return " ".join(value.split())


def _seconds(most: float) -> BeforeValidator:
    """Accept seconds, more than 0 and at most `most`."""

    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
            raise wrong(f"must be seconds, more than 0 and at most {most:g}")
        return float(value)

    return BeforeValidator(check)


def _language(value: object) -> object:
    if not isinstance(value, dict):
        raise wrong("is not a table of prompts for a language")
    return value


PromptText: TypeAlias = Annotated[str, BeforeValidator(_text)]


class DepartmentPrompts(BaseModel):
    """[nb.departments.kirurgi]: what only the callers of one department hear."""

    model_config = ConfigDict(extra="forbid")

    welcome: PromptText


class PromptTexts(BaseModel):
    """[nb]: the texts of a language by key. [nb.fragments] has the parts of sentences."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, PromptText] = Field(init=False)

    fragments: dict[str, PromptText] = {}
    departments: dict[str, DepartmentPrompts] = {}

    @property
    def sentences(self) -> dict[str, str]:
        """The texts that are whole sentences."""
        return self.__pydantic_extra__

    @property
    def welcomes(self) -> dict[str, str]:
        """The departments' welcomes, by the key that plays them."""
        return {department_welcome(slug): table.welcome for slug, table in self.departments.items()}

    @model_validator(mode="after")
    def _each_key_once(self) -> Self:
        if twice := sorted(self.sentences.keys() & self.fragments.keys()):
            raise wrong(f"has {twice[0]} both as a sentence and as a fragment")
        return self


class CatalogueTable(BaseModel):
    """The whole file: [silence] and [tone] with lengths in seconds, and a table for each language."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Annotated[PromptTexts, BeforeValidator(_language)]] = Field(init=False)

    silence: dict[str, Annotated[float, _seconds(_LONGEST_PAUSE)]] = {}
    tone: dict[str, Annotated[float, _seconds(_LONGEST_TONE)]] = {}

    @property
    def languages(self) -> dict[str, PromptTexts]:
        """The tables of the languages."""
        return self.__pydantic_extra__

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Check that every key has a text and every text has a key. Operators choose the keys of their own answers."""
        if not self.languages:
            raise refusal("no language in the catalogue")
        for language, table in self.languages.items():
            if not _NAME.fullmatch(language):
                raise refusal(f"[{language}] is not a table of prompts for a language", language)
            found = {*table.sentences, *table.fragments, *self.silence, *self.tone}
            if missing := sorted(all_keys() - found):
                raise refusal(f"[{language}] lacks {_some(missing)}", language)
            if unknown := sorted(key for key in found - all_keys() if not key.startswith(OWN_ANSWER)):
                advice = suggestion(unknown[0], all_keys()) if len(unknown) == 1 else ""
                reason = f"[{language}] has {_some(unknown)}, which nothing plays{advice}"
                raise refusal(reason, *self._place(language, unknown[0]))
        return self

    def _place(self, language: str, key: str) -> Place:
        if key in self.languages[language].fragments:
            return (language, "fragments", key)
        return ("silence", key) if key in self.silence else ("tone", key) if key in self.tone else (language, key)


def load_catalogue(path: Path) -> Catalogue:
    """Load the catalogue. Raises CatalogueError, with file, line and reason, when it is invalid or incomplete."""
    table = load_toml(path, CatalogueTable, CatalogueError, subject=_subject, missing=_MISSING)
    return Catalogue(
        texts={language: each.sentences | each.fragments | each.welcomes for language, each in table.languages.items()},
        fragments={language: frozenset(each.fragments) for language, each in table.languages.items()},
        silences=table.silence,
        tones=table.tone,
    )


def catalogue_lines(path: Path) -> Mapping[tuple[str, str], int]:
    """Return the line of each (language, key) in a valid catalogue."""
    lines = key_lines(read_text(path, CatalogueError, missing=_MISSING))
    return {(place[0], _key(place)): line for place, line in lines.items() if len(place) > 1}


def _key(place: Place) -> str:
    """Return the key of a prompt at this place in the file."""
    return department_welcome(str(place[2])) if place[1:2] == ("departments",) and len(place) > 2 else str(place[-1])


def _subject(place: Place) -> str:
    table, *keys = place
    return " ".join([f"[{table}]", *keys[-1:]])


def _some(keys: list[str]) -> str:
    shown = ", ".join(keys[:5])
    return shown if len(keys) <= 5 else f"{shown} and {len(keys) - 5} more"
