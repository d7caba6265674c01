"""Texts that name an hour, compared with the departments' hours."""

from pathlib import Path

import pytest

from desk.departments.departments import Departments
from desk.departments.file import load_departments
from desk.paths import ROOT
from ivr.prompts import keys
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.rules import contradictions, missing_languages, missing_welcomes

FILE = "prompts/catalogue.toml"
NB = "null null,ett,to,tre,fire,fem,seks,sju,åtte,ni,ti,elleve,tolv,tretten,fjorten,femten,seksten"
EN = "midnight,one,two,three,four,five,six,seven,eight,nine,ten,eleven,twelve,one p m,two p m,three p m,four p m"
OCLOCK = {"nb": NB.split(","), "en": EN.split(",")}


def catalogue(**texts: str) -> Catalogue:
    """A catalogue in which every text is harmless but `nb` or `en`, the welcome."""
    every = {}
    for language, hours in OCLOCK.items():
        every[language] = {key: "Ja." for key in keys.all_keys()} | {
            f"oclock_{hour}": hours[hour] if hour < len(hours) else f"time {hour}" for hour in range(24)
        }
        every[language]["welcome"] = texts.get(language, "Hei.")
    fragments = frozenset(key for key in keys.all_keys() if key.startswith("oclock_"))
    return Catalogue(texts=every, fragments=dict.fromkeys(every, fragments), silences={})


@pytest.fixture
def departments(tmp_path: Path) -> Departments:
    text = (ROOT / "dialplan" / "departments.toml").read_text("utf-8")
    file = tmp_path / "departments.toml"
    file.write_text(text[: text.index("[hjerte]")], "utf-8")  # deadline: until 14:00, by 15:00
    return load_departments(file)


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("nb", "Vi ringer deg innen klokken femten.", None),
        ("nb", "Vi ringer deg innen klokken 15.", None),
        ("nb", "Vi ringer deg innen klokken seksten.", "innen klokken seksten"),
        ("nb", "Vi ringer innen tretten.", "innen tretten"),
        ("nb", "Ringer du før kl. 12, ringer vi i dag.", "kl. 12"),
        ("nb", "Åpent til 15:30.", "15:30"),
        ("nb", "Snakk etter to pip, og tast ett tall.", None),
        ("en", "We will ring you by 3 o'clock.", None),
        ("en", "We will ring you at four.", "at four"),
        ("en", "We will ring you at three.", None),
    ],
)
def test_text_with_another_hour_than_the_department_is_reported(
    departments: Departments, language: str, text: str, said: str | None
) -> None:
    found = contradictions(FILE, catalogue(**{language: text}), {(language, "welcome"): 27}, departments)
    if said is None:
        assert found == []
        return
    (fault,) = found
    assert (fault.file, fault.line) == (FILE, 27)
    assert said in fault.reason
    assert fault.reason.endswith("but [kirurgi] accepts calls until 14:00 and calls back by 15:00")


def test_department_that_does_not_offer_the_language_is_skipped(departments: Departments) -> None:
    only_nb = Departments([next(iter(departments.all()))])
    object.__setattr__(only_nb.all()[0], "languages", ("nb",))
    assert contradictions(FILE, catalogue(en="We ring at four."), {}, only_nb) == []


def test_language_without_texts_is_reported(departments: Departments) -> None:
    object.__setattr__(departments.all()[0], "languages", ("nb", "nn"))
    (fault,) = missing_languages("departments.toml", catalogue(), departments, {("kirurgi", "languages"): 9})
    assert (fault.line, fault.reason) == (9, "[kirurgi] offers nn, but the catalogue has no [nn]")


@pytest.mark.parametrize("production", [True, False])
def test_department_without_a_welcome_of_its_own_is_a_fault_in_production(
    departments: Departments, production: bool
) -> None:
    lines = {("kirurgi",): 7}
    found = missing_welcomes(FILE, catalogue(), departments, lines, production=production)
    assert [(each.line, each.note) for each in found] == [(7, not production)] * len(found)
    spoken = departments.get("kirurgi").languages
    assert [each.reason.split(" ", 1)[1] for each in found] == [
        f"the catalogue has no [{language}.departments.kirurgi] welcome"
        for language in spoken
        if language in ("nb", "en")
    ]
