"""prompts/sms.toml: the texts of messages to patients in each language, read, checked, and read again after an edit.

The words are the operator's. The program checks what a text must contain, what it must not, and how long it is.
"""

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, RootModel, model_validator

from desk.departments.departments import LANGUAGES, Department
from desk.files.edited_file import EditedFile
from desk.files.toml_models import Place, TomlTable, load_toml, refusal, wrong
from desk.messages import gsm7
from desk.messages.errors import SmsTextsError
from desk.messages.model import SmsKind
from desk.promises.model import Promise
from desk.promises.rules import spoken_text

REQUIRED_LANGUAGES: Final = ("nb", "en")
WHEN: Final = "{when}"
NUMBER: Final = "{number}"
LONGEST: Final = {WHEN: "torsdag 23. september innen klokken 11.30", NUMBER: "58 12 34 56 78 90"}
"""The longest value of each placeholder, in any language."""
SHORTEST_WORD: Final = 5
"""Shorter words of a department's name («for», «barn») do not identify it."""
_FAR = timedelta(days=30)
_BRACES = re.compile(r"\{[^{}]*\}|[{}]")
_UNFINISHED = re.compile(r"\[[^\]]*\]|<[^>]*>|%[sd]|\b(?:TODO|FIXME|XXX+)\b|_{2,}|\.{3}|…")


@dataclass(frozen=True)
class SmsTexts:
    """The texts by language and kind. Every language has every kind."""

    words: Mapping[str, Mapping[SmsKind, str]]

    def text(self, kind: SmsKind, department: Department, promise: Promise, language: str) -> str:
        """Return the text for a patient. A language without texts gets bokmål."""
        language = language if language in self.words else REQUIRED_LANGUAGES[0]
        when = written_text(promise, department, language)
        number = " ".join(department.hospital_number.national_groups)
        return self.words[language][kind].replace(WHEN, when).replace(NUMBER, number)


def written_text(promise: Promise, department: Department, language: str) -> str:
    """Return the promise in writing: «tirsdag 24. november innen klokken 15».

    It always has the date: a message may be read a day late, when «i morgen» is another day.
    """
    return spoken_text(promise, department, promise.by - _FAR, language)


def _text(value: object) -> str:
    """Return the text on one line, or refuse it."""
    if not isinstance(value, str) or not value.strip():
        raise wrong("has no text")
    for found in _BRACES.findall(value):
        if found not in LONGEST:
            raise wrong(f"holds «{found}», which nothing fills in: use {WHEN} and {NUMBER}")
    if unfinished := _UNFINISHED.search(value):
        raise wrong(f"holds «{unfinished[0]}», which would be sent as it stands")
    text = " ".join(value.split())
    filled = text
    for placeholder, longest in LONGEST.items():
        filled = filled.replace(placeholder, longest)
    if outside := gsm7.outside(filled):
        raise wrong(f"holds «{outside[0]}», which a text message can't carry: write it otherwise")
    if (parts := gsm7.parts(filled)) > 1:
        raise wrong(f"takes {parts} messages when filled in: one at most, shorten it")
    return text


def _promise_text(value: object) -> str:
    """Return the text on one line, or refuse it. It says when we ring."""
    if isinstance(value, str) and value.strip() and WHEN not in value:
        raise wrong(f"does not say when we ring: put {WHEN} into it")
    return _text(value)


def _language(language: str) -> str:
    if language not in LANGUAGES:
        raise wrong(f"is not a language: write one of {', '.join(LANGUAGES)}")
    return language


MessageText: TypeAlias = Annotated[str, BeforeValidator(_text)]
PromiseText: TypeAlias = Annotated[str, BeforeValidator(_promise_text)]


class SmsLanguageTable(TomlTable):
    """The texts in one language."""

    receipt: PromiseText
    new_promise: PromiseText
    number_added: MessageText


class SmsTextsTable(RootModel[dict[Annotated[str, AfterValidator(_language)], SmsLanguageTable]]):
    """The whole file: a table for each language."""

    @model_validator(mode="after")
    def _required_languages(self) -> Self:
        for language in REQUIRED_LANGUAGES:
            if language not in self.root:
                raise refusal(f"there is no [{language}]")
        return self


def load_sms_texts(file: Path) -> SmsTexts:
    """Read sms.toml. Raises SmsTextsError(file, line, reason), and takes nothing from a faulty file."""
    tables = load_toml(file, SmsTextsTable, SmsTextsError, subject=_subject, missing="the texts of SMS are missing")
    return SmsTexts(
        {language: {kind: getattr(table, kind.value) for kind in SmsKind} for language, table in tables.root.items()}
    )


class SmsTextsFile(EditedFile[SmsTexts, SmsTextsError]):
    """sms.toml: call it for the current texts. None while there has been no valid file: then none is written."""

    refused = "The texts of SMS are refused: the last valid ones are still used"
    reloaded = "The texts of SMS were read again"

    def __init__(
        self, file: Path, *, seconds: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        super().__init__(file, load_sms_texts, SmsTextsError, seconds=seconds, wall=wall)

    def __call__(self) -> SmsTexts | None:
        """Return the current texts."""
        return self._current()


def _subject(place: Place) -> str:
    language, *key = place
    return " ".join([f"[{language}]", *key])


def naming_departments(texts: SmsTexts, departments: Collection[Department]) -> Iterator[tuple[str, SmsKind, str]]:
    """Yield (language, kind, reason) for each text that names a department, or a word of its name."""
    for language, table in texts.words.items():
        for kind, text in table.items():
            words = set(re.findall(r"\w+", text.casefold()))
            for department in departments:
                own = re.findall(r"\w+", department.name.casefold())
                named = words & {department.slug, *(word for word in own if len(word) >= SHORTEST_WORD)}
                if named:
                    reason = f"says «{min(named)}», which identifies [{department.slug}]: a text names no department"
                    yield language, kind, reason
