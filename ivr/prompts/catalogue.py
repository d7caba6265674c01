"""prompts/catalogue.toml read and checked: what is said for each key, in each language."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ivr.prompts.keys import all_keys

SILENCE = "silence"
FRAGMENTS = "fragments"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LONGEST_PAUSE = 5.0


class PromptsError(Exception):
    """The prompts could not be read or built."""


class ProgramMissing(PromptsError):
    """A program that makes or reads sound is not on this machine."""


@dataclass(frozen=True)
class Catalogue:
    """Texts by language and key. `fragments` are pieces of sentences, `silences` pauses in seconds.

    A language holds exactly the keys of `ivr.prompts.keys` (the pauses are common to all).
    """

    texts: Mapping[str, Mapping[str, str]]
    fragments: Mapping[str, frozenset[str]]
    silences: Mapping[str, float]

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.texts)

    def keys(self, language: str) -> frozenset[str]:
        """Every key of a language, pauses included."""
        return frozenset(self.texts[language]) | frozenset(self.silences)

    def text(self, language: str, key: str) -> str:
        """The words of a prompt; empty for a pause."""
        return "" if key in self.silences else self.texts[language][key]

    def is_fragment(self, language: str, key: str) -> bool:
        return key in self.fragments[language]


def load_catalogue(path: Path) -> Catalogue:
    """Raise PromptsError, one line with file and reason, when the file is not a complete catalogue."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PromptsError(f"{path}: the catalogue of prompts is missing") from None
    except UnicodeDecodeError:
        raise PromptsError(f"{path}: not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise PromptsError(f"{path}: {error}") from None
    silences = _silences(path, document.pop(SILENCE, {}))
    texts: dict[str, dict[str, str]] = {}
    fragments: dict[str, frozenset[str]] = {}
    for language, table in document.items():
        if not isinstance(table, dict) or not _NAME.fullmatch(language):
            raise PromptsError(f"{path}: [{language}] is not a table of prompts for a language")
        pieces = table.pop(FRAGMENTS, {})
        if not isinstance(pieces, dict):
            raise PromptsError(f"{path}: [{language}.{FRAGMENTS}] is not a table")
        if twice := sorted(table.keys() & pieces.keys()):
            raise PromptsError(f"{path}: [{language}] has {twice[0]} both as a sentence and as a fragment")
        texts[language] = _texts(path, language, {**table, **pieces})
        fragments[language] = frozenset(pieces)
        _complete(path, language, texts[language].keys() | silences.keys())
    if not texts:
        raise PromptsError(f"{path}: no language in the catalogue")
    return Catalogue(texts=texts, fragments=fragments, silences=silences)


def _silences(path: Path, table: object) -> dict[str, float]:
    if not isinstance(table, dict):
        raise PromptsError(f"{path}: [{SILENCE}] is not a table")
    for key, seconds in table.items():
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= _LONGEST_PAUSE:
            raise PromptsError(f"{path}: [{SILENCE}] {key} must be seconds, more than 0 and at most {_LONGEST_PAUSE:g}")
    return {key: float(seconds) for key, seconds in table.items()}


def _texts(path: Path, language: str, table: Mapping[str, object]) -> dict[str, str]:
    texts = {}
    for key, text in table.items():
        if not isinstance(text, str) or not text.strip():
            raise PromptsError(f"{path}: [{language}] {key} has no text")
        texts[key] = " ".join(text.split())
    return texts


def _complete(path: Path, language: str, found: set[str]) -> None:
    """The two lists match both ways: what may be said has a text, and no text is left that nothing says."""
    if missing := sorted(all_keys() - found):
        raise PromptsError(f"{path}: [{language}] lacks {_some(missing)}")
    if unknown := sorted(found - all_keys()):
        raise PromptsError(f"{path}: [{language}] has {_some(unknown)}, which nothing plays")


def _some(keys: list[str]) -> str:
    shown = ", ".join(keys[:5])
    return shown if len(keys) <= 5 else f"{shown} and {len(keys) - 5} more"
