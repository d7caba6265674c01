"""prompts/sms.toml read and checked: the words of texts to patients, in each language.

Only the form is the program's: what must be in a text, what never is, and how long it may be.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from desk.departments.departments import LANGUAGES, Department
from desk.files.toml_files import parse, read_text
from desk.files.toml_lines import key_lines
from desk.messages import gsm7
from desk.messages.errors import SmsTextsError
from desk.messages.model import SmsKind
from desk.promises.model import Promise
from desk.promises.rules import spoken_text

NEEDED: Final = ("nb", "en")
WHEN: Final = "{when}"
NUMBER: Final = "{number}"
MOST_PARTS: Final = 2
LONGEST: Final = {WHEN: "torsdag 23. september innen klokken 11.30", NUMBER: "58 12 34 56 78 90"}
"""As long as what takes a placeholder's place can be, in any language."""
SHORTEST_WORD: Final = 5
"""Words of a department's name shorter than this («for», «barn») say nothing by themselves."""
_FAR = timedelta(days=30)
_BRACES = re.compile(r"\{[^{}]*\}|[{}]")
_UNFINISHED = re.compile(r"\[[^\]]*\]|<[^>]*>|%[sd]|\b(?:TODO|FIXME|XXX+)\b|_{2,}|\.{3}|…")


@dataclass(frozen=True)
class SmsTexts:
    """Words by language and kind. Every language has every kind."""

    words: Mapping[str, Mapping[SmsKind, str]]

    def text(self, kind: SmsKind, department: Department, promise: Promise, language: str) -> str:
        """What the patient reads. A language without words gets bokmål."""
        language = language if language in self.words else NEEDED[0]
        when = written_text(promise, department, language)
        number = " ".join(department.hospital_number.national_groups)
        return self.words[language][kind].replace(WHEN, when).replace(NUMBER, number)


def written_text(promise: Promise, department: Department, language: str) -> str:
    """The promise as it is written: «tirsdag 24. november innen klokken 15».

    Always with the date: a text may be read a day late, when «i morgen» has become another day.
    """
    return spoken_text(promise, department, promise.by - _FAR, language)


def load_sms_texts(file: Path) -> SmsTexts:
    """Raises SmsTextsError(file, line, reason), and takes nothing from a faulty file."""
    text = read_text(file, SmsTextsError, missing="the texts of SMS are missing")
    content = parse(file, text, SmsTextsError)
    lines = key_lines(text)
    for place, reason in _faults(content):
        while place and place not in lines:
            place = place[:-1]
        raise SmsTextsError(file, lines.get(place), reason)
    words = {
        language: {kind: " ".join(table[kind.value].split()) for kind in SmsKind} for language, table in content.items()
    }
    return SmsTexts(words)


def telling_names(texts: SmsTexts, departments: Collection[Department]) -> Iterator[tuple[str, SmsKind, str]]:
    """(language, kind, reason) for each text that names a department, or a word of its name."""
    for language, table in texts.words.items():
        for kind, text in table.items():
            words = set(re.findall(r"\w+", text.casefold()))
            for department in departments:
                own = re.findall(r"\w+", department.name.casefold())
                told = words & {department.slug, *(word for word in own if len(word) >= SHORTEST_WORD)}
                if told:
                    reason = f"says «{min(told)}», which tells of [{department.slug}]: a text names no department"
                    yield language, kind, reason


def _faults(content: Mapping[str, object]) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong and at which key, in the order of the file."""
    kinds = [kind.value for kind in SmsKind]
    for language, table in content.items():
        if language not in LANGUAGES or not isinstance(table, dict):
            yield (language,), f"[{language}] is not a language: write one of {', '.join(LANGUAGES)}"
            continue
        for key, text in table.items():
            if key not in kinds:
                near = get_close_matches(key, kinds, n=1)
                yield (
                    (language, key),
                    f"[{language}] has {key}, which nothing sends" + (f": did you mean {near[0]}?" if near else ""),
                )
            elif reason := _wrong(text):
                yield (language, key), f"[{language}] {key} {reason}"
        if missing := [key for key in kinds if key not in table]:
            yield (language,), f"[{language}] lacks {', '.join(missing)}"
    for language in NEEDED:
        if language not in content:
            yield (), f"there is no [{language}]"


def _wrong(text: object) -> str | None:
    if not isinstance(text, str) or not text.strip():
        return "has no text"
    for found in _BRACES.findall(text):
        if found not in LONGEST:
            return f"holds «{found}», which nothing fills in: use {WHEN} and {NUMBER}"
    if WHEN not in text:
        return f"does not say when we ring: put {WHEN} into it"
    if unfinished := _UNFINISHED.search(text):
        return f"holds «{unfinished[0]}», which would be sent as it stands"
    filled = " ".join(text.split())
    for placeholder, longest in LONGEST.items():
        filled = filled.replace(placeholder, longest)
    if outside := gsm7.outside(filled):
        return f"holds «{outside[0]}», which a text message can't carry: write it otherwise"
    if (parts := gsm7.parts(filled)) > MOST_PARTS:
        return f"takes {parts} messages when filled in: {MOST_PARTS} at most, shorten it"
    return None
