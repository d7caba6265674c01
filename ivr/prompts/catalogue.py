"""Read and validate prompts/catalogue.toml: the text of each key in each language."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from desk.files.toml_files import parse, read_text
from desk.files.toml_lines import key_lines
from ivr.prompts.keys import OWN_ANSWER, all_keys

SILENCE = "silence"
TONE = "tone"
FRAGMENTS = "fragments"
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


def load_catalogue(path: Path) -> Catalogue:
    """Load the catalogue. Raises CatalogueError, with file, line and reason, when it is invalid or incomplete."""
    text = _read(path)
    document = parse(path, text, CatalogueError)
    return _CatalogueReader(path, text).catalogue(document)


def catalogue_lines(path: Path) -> Mapping[tuple[str, str], int]:
    """Return the line of each (language, key) in a valid catalogue."""
    return {(place[0], place[-1]): line for place, line in key_lines(_read(path)).items() if len(place) > 1}


def _read(path: Path) -> str:
    return read_text(path, CatalogueError, missing="the catalogue of prompts is missing", not_utf8="not UTF-8 text")


class _CatalogueReader:
    """Validates a catalogue table by table. Stops at the first fault, with its line."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text

    def catalogue(self, document: dict[str, Any]) -> Catalogue:
        silences = self._seconds(SILENCE, document.pop(SILENCE, {}), _LONGEST_PAUSE)
        tones = self._seconds(TONE, document.pop(TONE, {}), _LONGEST_TONE)
        texts: dict[str, dict[str, str]] = {}
        fragments: dict[str, frozenset[str]] = {}
        for language, table in document.items():
            if not isinstance(table, dict) or not _NAME.fullmatch(language):
                self._refuse(f"[{language}] is not a table of prompts for a language", language)
            pieces = table.pop(FRAGMENTS, {})
            if not isinstance(pieces, dict):
                self._refuse(f"[{language}.{FRAGMENTS}] is not a table", language, FRAGMENTS)
            if twice := sorted(table.keys() & pieces.keys()):
                reason = f"[{language}] has {twice[0]} both as a sentence and as a fragment"
                self._refuse(reason, language, FRAGMENTS, twice[0])
            texts[language] = self._texts(language, table) | self._texts(language, pieces, FRAGMENTS)
            fragments[language] = frozenset(pieces)
            self._complete(language, texts[language].keys() | silences.keys() | tones.keys())
        if not texts:
            self._refuse("no language in the catalogue")
        return Catalogue(texts=texts, fragments=fragments, silences=silences, tones=tones)

    def _seconds(self, name: str, table: object, most: float) -> dict[str, float]:
        if not isinstance(table, dict):
            self._refuse(f"[{name}] is not a table", name)
        for key, seconds in table.items():
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= most:
                self._refuse(f"[{name}] {key} must be seconds, more than 0 and at most {most:g}", name, key)
        return {key: float(seconds) for key, seconds in table.items()}

    def _texts(self, language: str, table: Mapping[str, object], *under: str) -> dict[str, str]:
        texts = {}
        for key, text in table.items():
            if not isinstance(text, str) or not text.strip():
                self._refuse(f"[{language}] {key} has no text", language, *under, key)
            if rest := _PLACEHOLDER.search(text):
                reason = f"[{language}] {key} holds «{rest[0]}», which would be read aloud as it stands"
                self._refuse(reason, language, *under, key)
            texts[key] = " ".join(text.split())
        return texts

    def _complete(self, language: str, found: set[str]) -> None:
        """Check that every key has a text and every text has a key. Operators choose the keys of their own answers."""
        if missing := sorted(all_keys() - found):
            self._refuse(f"[{language}] lacks {_some(missing)}", language)
        if unknown := sorted(key for key in found - all_keys() if not key.startswith(OWN_ANSWER)):
            near = get_close_matches(unknown[0], all_keys(), n=1)
            advice = f": did you mean {near[0]}?" if near and len(unknown) == 1 else ""
            places = [(language, unknown[0]), (language, FRAGMENTS, unknown[0]), (SILENCE, unknown[0])]
            places += [(TONE, unknown[0])]
            lines = key_lines(self._text)
            place = next((each for each in places if each in lines), (language,))
            self._refuse(f"[{language}] has {_some(unknown)}, which nothing plays{advice}", *place)

    def _refuse(self, reason: str, *place: str) -> NoReturn:
        lines = key_lines(self._text)
        while place and place not in lines:
            place = place[:-1]
        raise CatalogueError(self._path, lines.get(place), reason)


def _some(keys: list[str]) -> str:
    shown = ", ".join(keys[:5])
    return shown if len(keys) <= 5 else f"{shown} and {len(keys) - 5} more"
