"""What operators' commands and the machine's parts print, in the operator's language: Norwegian, or English on request.

The code is written in English, as in logs and in the answers of REST. A message is translated where it is printed:
the files in this folder have each English text, with {…} where values stand, and the Norwegian one. So a mistake in a
file may come a long way, through errors of other packages, and still be read in Norwegian.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

LANGUAGES = ("nb", "en")
"""The languages of the commands' messages, the default first."""
VARIABLE = "INNRINGING_LANGUAGE"
FILES = ("commands", "usage", "machine", "files", "dialplan", "settings", "rehearsal")
REFUSALS = "refusals"
"""The file with the first sentences of refusals: more may follow one."""
_PLACE = re.compile(r"\{(\w*)[^{}]*\}")


class Translation:
    """Texts in one language by the English text. A text may have {…} where a value stands."""

    def __init__(self, texts: Mapping[str, str], refusals: Mapping[str, str]) -> None:
        self.texts = {**texts, **refusals}
        self._done: dict[str, tuple[str, int]] = {}
        patterns = {**texts, **{f"{each} {{more}}": f"{refusals[each]} {{more}}" for each in refusals}}
        self._patterns = [
            (_pattern(text), written)
            for text, written in sorted(patterns.items(), key=lambda pair: -len(_PLACE.sub("", pair[0])))
            if _PLACE.search(text)
        ]

    def __call__(self, text: str) -> str:
        """Translate each line. What is not in the texts stays as it is."""
        return "\n".join(self._line(line)[0] for line in text.split("\n"))

    def words_left(self, line: str) -> int:
        """Return how many words of a line are in no text."""
        return self._line(line)[1]

    def _line(self, line: str) -> tuple[str, int]:
        """Return the line translated, and how many words of its values no text has."""
        if line not in self._done:
            self._done[line] = line, len(line.split())  # where a value is the line itself, it ends here
            self._done[line] = self._best(line)
        return self._done[line]

    def _best(self, line: str) -> tuple[str, int]:
        """Return the translation that leaves the fewest words: several texts may fit, with a value that is a text."""
        if (whole := self.texts.get(line)) is not None or not line.strip():
            return whole or line, 0
        best, fewest = line, len(line.split()) + 1
        for pattern, written in self._patterns:
            if not (match := pattern.fullmatch(line)):
                continue
            # A value of several words may be a text as well. A single word is a name.
            values = {
                name: self._line(value) if " " in value.strip() else (value, 0)
                for name, value in match.groupdict().items()
            }
            left = sum(count for _, count in values.values())
            if left < fewest:
                best, fewest = _filled(written, {name: value for name, (value, _) in values.items()}), left
            if not left:
                break
        return best, min(fewest, len(line.split()))


def translated(text: object) -> str:
    """Return a message in the language of this command."""
    return str(text) if language() == "en" else norwegian()(str(text))


def language() -> str:
    """Return the language of this process's messages, and of those it starts. `--language` sets the variable."""
    chosen = os.environ.get(VARIABLE, "")
    return chosen if chosen in LANGUAGES else LANGUAGES[0]


@cache
def norwegian() -> Translation:
    """Return the texts in Norwegian."""
    texts = {text: written for name in FILES for text, written in _read(name).items()}
    return Translation(texts, _read(REFUSALS))


def _read(name: str) -> dict[str, str]:
    import tomllib  # not at the top: an older Python must come as far as the line that refuses it (ops.machine.venv)

    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text("utf-8"))


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: values[place[1]], text)


def _pattern(text: str) -> re.Pattern[str]:
    """Return what matches the text with any values."""
    parts, at, seen = [], 0, set()
    for place in _PLACE.finditer(text):
        parts.append(re.escape(text[at : place.start()]))
        parts.append(f"(?P={place[1]})" if place[1] in seen else f"(?P<{place[1]}>.*?)")
        seen.add(place[1])
        at = place.end()
    return re.compile("".join([*parts, re.escape(text[at:])]))
