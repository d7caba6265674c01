"""Compare the texts with the departments' rules: no prompt may promise an hour that no rule keeps. Pure functions.

Promises are spoken from fragments. A text with an hour of its own is correct only if it matches the rules of every
department that offers the language.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import time
from pathlib import Path
from typing import Final

from desk.departments.departments import Department, Departments, Policy
from desk.files.faults import FileFault
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.keys import OWN_ANSWER, department_welcome

_BEFORE = {
    "nb": r"klokken|klokka|kl\.?|innen|før|senest|etter|fra",
    "nn": r"klokka|kl\.?|innan|før|seinast|etter|frå",
    "en": r"at|by|before|after|from|until|o'clock",
}
_AFTER = {"en": r"o'clock|a\.?m\.?|p\.?m\.?"}
_EN_HOURS = 12
_LEAST_ALONE = 7
"""Smaller numbers may be something else: «innen femten» is an hour, «etter to pip» is not."""
_UNSEEN = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2060\ufeff]")
LONGEST_TEXT: Final = 280
READ_A_SECOND: Final = 14
"""Characters, at the pace of a calm voice."""
_FIGURES: Final = re.compile(r"\d[\d.:]*")
_SURE = r"\bkl|\bat\b|o'clock"


def contradictions(
    file: str, catalogue: Catalogue, lines: Mapping[tuple[str, str], int], departments: Departments
) -> list[FileFault]:
    """Find hours in the texts that do not match the rules of a department that offers the language."""
    faults = []
    for language in catalogue.languages:
        words = _hour_words(catalogue, language)
        for key in sorted(catalogue.keys(language)):
            if catalogue.is_fragment(language, key) or key.startswith(OWN_ANSWER):  # opening hours are no promise
                continue
            for said, hour in _hours(catalogue.text(language, key), language, words):
                for department in departments.all():
                    if language in department.languages and not _keeps(department, hour, language):
                        reason = f"[{language}] {key} says «{said}», but [{department.slug}] {_rule(department)}"
                        faults.append(FileFault(file, lines.get((language, key)), reason))
    return faults


def unspeakable(file: str, catalogue: Catalogue, lines: Mapping[tuple[str, str], int]) -> list[FileFault]:
    """Find texts with figures, which each voice reads in its own way, and texts longer than callers listen."""
    faults = []
    for language in catalogue.languages:
        for key in sorted(catalogue.keys(language)):
            text = catalogue.text(language, key)
            reasons = [f"says «{each}»: write it in words, as it is to be read" for each in _FIGURES.findall(text)]
            reasons += [f"has an invisible character (U+{ord(each):04X}): delete it" for each in _UNSEEN.findall(text)]
            if len(text) > LONGEST_TEXT:
                reasons.append(
                    f"has {len(text)} characters, about {len(text) / READ_A_SECOND:.0f} s: {LONGEST_TEXT} at most"
                )
            faults += [FileFault(file, lines.get((language, key)), f"[{language}] {key} {each}") for each in reasons]
    return faults


def missing_languages(
    file: str, catalogue: Catalogue, departments: Departments, lines: Mapping[tuple[str, ...], int]
) -> list[FileFault]:
    """Find departments that offer a language without texts in the catalogue."""
    return [
        FileFault(
            file,
            lines.get((department.slug, "languages"), lines.get((department.slug,))),
            f"[{department.slug}] offers {language}, but the catalogue has no [{language}]",
        )
        for department in departments.all()
        for language in department.languages
        if language not in catalogue.languages
    ]


def missing_answers(
    file: str, catalogue: Catalogue, departments: Departments, lines: Mapping[tuple[str, ...], int]
) -> list[FileFault]:
    """Find answers to simple questions that have no text in a language the department offers."""
    return [
        FileFault(
            file,
            lines.get((department.slug, "choice", "questions", topic)),
            f"[{department.slug}.choice] the catalogue's [{language}] has no {key}",
        )
        for department in departments.all()
        for topic, key in (department.choice.answers if department.choice else {}).items()
        for language in department.languages
        if language in catalogue.languages and key not in catalogue.keys(language)
    ]


def missing_welcomes(
    file: str,
    catalogue: Catalogue,
    departments: Departments,
    lines: Mapping[tuple[str, ...], int],
    *,
    production: bool,
) -> list[FileFault]:
    """Find departments whose callers would not hear whom they have called. A fault in production, else a note."""
    return [
        FileFault(
            file,
            lines.get((department.slug,)),
            f"[{department.slug}] the catalogue has no [{language}.departments.{department.slug}] welcome",
            note=not production,
        )
        for department in departments.all()
        for language in department.languages
        if language in catalogue.languages and department_welcome(department.slug) not in catalogue.keys(language)
    ]


def _hour_words(catalogue: Catalogue, language: str) -> dict[str, time]:
    """Map the words for whole hours, from the fragments, to times: «femten» -> 15:00, in English «three» -> 3:00."""
    words: dict[str, time] = {}
    for hour in range(24):
        word = catalogue.text(language, f"oclock_{hour}").lower()
        words.setdefault(word, time(hour))
    return words


def _hours(text: str, language: str, words: Mapping[str, time]) -> Iterator[tuple[str, time]]:
    """Find each hour in a text, as words and as a time: after a word like «klokken», or «15:00» anywhere."""
    lowered = " ".join(text.lower().split())
    named = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    figures = r"\d{1,2}(?:[:.]\d{2})?"
    before = (
        rf"\b(?:{_BEFORE.get(language, 'at')})\s+(?:(?:klokken|klokka|kl\.?)\s+)?(?P<hour>{figures}|{named})(?![\w-])"
    )
    after = rf"|\b(?P<other>{figures}|{named})\s+(?:{_AFTER[language]})" if language in _AFTER else ""
    alone = r"|(?<![\d:.])(?P<clock>\d{1,2}[:.]\d{2})(?![\d:]|\.\d)"
    for match in re.finditer(before + after + alone, lowered):
        said = next(value for value in match.groups() if value)
        if said in words:
            if words[said].hour >= _LEAST_ALONE or re.search(_SURE, match[0]):
                yield match[0], words[said]
        elif (found := _clock(said)) is not None:
            yield match[0], found


def _clock(figures: str) -> time | None:
    hour, _, minute = figures.replace(".", ":").partition(":")
    try:
        return time(int(hour), int(minute or 0))
    except ValueError:
        return None


def _keeps(department: Department, named: time, language: str) -> bool:
    hours = _promised_hours(department)
    twelve_hours = language == "en" and 1 <= named.hour <= _EN_HOURS  # «at three» is 3 or 15
    return named in hours or (twelve_hours and time((named.hour + 12) % 24, named.minute) in hours)


def _promised_hours(department: Department) -> set[time]:
    if department.policy is Policy.ROUNDS:
        return set(department.rounds)
    return {each for each in (department.cutoff, department.answer_by) if each}


def _rule(department: Department) -> str:
    if department.policy is Policy.ROUNDS:
        return f"calls back at {', '.join(f'{each:%H:%M}' for each in department.rounds)}"
    return f"accepts calls until {department.cutoff:%H:%M} and calls back by {department.answer_by:%H:%M}"


def texts_file(prompts_dir: Path) -> Path:
    """Return the path of the catalogue."""
    return prompts_dir / "catalogue.toml"
