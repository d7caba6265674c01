"""Texts against the departments' rules: no prompt may promise an hour that a department does not keep. Pure.

Hours are spoken from fragments, as the promise is. A text that names an hour itself is right only as long as every
department that speaks the language keeps to that hour.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import time
from pathlib import Path

from desk.departments.departments import Department, Departments, Policy
from desk.files.faults import Fault
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.keys import OWN_ANSWER

_BEFORE = {
    "nb": r"klokken|klokka|kl\.?|innen|før|senest|etter|fra",
    "nn": r"klokka|kl\.?|innan|før|seinast|etter|frå",
    "en": r"at|by|before|after|from|until|o'clock",
}
_AFTER = {"en": r"o'clock|a\.?m\.?|p\.?m\.?"}
_EN_HOURS = 12
_LEAST_ALONE = 7
"""«innen femten» is an hour; «etter to pip» is none."""
_SURE = r"\bkl|\bat\b|o'clock"


def contradictions(
    file: str, catalogue: Catalogue, lines: Mapping[tuple[str, str], int], departments: Departments
) -> list[Fault]:
    """One fault for each hour that a text names and some department of that language does not keep."""
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
                        faults.append(Fault(file, lines.get((language, key)), reason))
    return faults


def missing_languages(
    file: str, catalogue: Catalogue, departments: Departments, lines: Mapping[tuple[str, ...], int]
) -> list[Fault]:
    """Departments that offer a language the catalogue has no texts in."""
    return [
        Fault(
            file,
            lines.get((department.slug, "languages"), lines.get((department.slug,))),
            f"[{department.slug}] offers {language}, and the catalogue has no [{language}]",
        )
        for department in departments.all()
        for language in department.languages
        if language not in catalogue.languages
    ]


def missing_answers(
    file: str, catalogue: Catalogue, departments: Departments, lines: Mapping[tuple[str, ...], int]
) -> list[Fault]:
    """Answers to simple questions that a department names, and that have no text in a language it offers."""
    return [
        Fault(
            file,
            lines.get((department.slug, "choice", "questions", topic)),
            f"[{department.slug}.choice] the catalogue's [{language}] has no {key}",
        )
        for department in departments.all()
        for topic, key in (department.choice.answers if department.choice else {}).items()
        for language in department.languages
        if language in catalogue.languages and key not in catalogue.keys(language)
    ]


def _hour_words(catalogue: Catalogue, language: str) -> dict[str, time]:
    """The words of whole hours, as the fragments have them: «femten» -> 15:00; in English also «three» -> 3:00."""
    words: dict[str, time] = {}
    for hour in range(24):
        word = catalogue.text(language, f"oclock_{hour}").lower()
        words.setdefault(word, time(hour))
    return words


def _hours(text: str, language: str, words: Mapping[str, time]) -> Iterator[tuple[str, time]]:
    """Each hour that a text names, as it is said and as a time: after a word such as «klokken», or «15:00» anywhere."""
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
    kept = _kept(department)
    twelve_hours = language == "en" and 1 <= named.hour <= _EN_HOURS  # «at three» is 3 or 15
    return named in kept or (twelve_hours and time((named.hour + 12) % 24, named.minute) in kept)


def _kept(department: Department) -> set[time]:
    if department.policy is Policy.ROUNDS:
        return set(department.rounds)
    return {each for each in (department.cutoff, department.answer_by) if each}


def _rule(department: Department) -> str:
    if department.policy is Policy.ROUNDS:
        return f"rings at {', '.join(f'{each:%H:%M}' for each in department.rounds)}"
    return f"takes calls until {department.cutoff:%H:%M} and rings by {department.answer_by:%H:%M}"


def texts_file(prompts_dir: Path) -> Path:
    """Where the texts are."""
    return prompts_dir / "catalogue.toml"
