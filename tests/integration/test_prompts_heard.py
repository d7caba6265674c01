"""What is checked is what is heard: an earlier text's recording is reported, and a build refuses what check refuses."""

import re
from pathlib import Path

import pytest

from desk.departments.file import load_departments
from desk.paths import ROOT
from ivr.prompts import script
from ivr.prompts.build import build
from ivr.prompts.catalogue import PromptsError
from ivr.prompts.check import check
from ops.commands.check import faults
from tests.support.phone.prompts import one, record

CHANGED = "the text was changed after it was recorded: record it again"
DEPARTMENTS = ROOT / "dialplan" / "departments.toml"


def reword(folder: Path, text: str, key: str = "welcome") -> None:
    file = folder / "catalogue.toml"
    words, count = re.subn(rf'(?m)^{key} = ".*"$', f'{key} = "{text}"', file.read_text("utf-8"), count=1)
    assert count == 1
    file.write_text(words, "utf-8")


def test_changed_text_with_its_earlier_recording_is_reported_until_it_is_recorded(folder: Path, tools: Path) -> None:
    record(folder / "nb" / "welcome.wav", (440, 1.5, 0.05))
    build(folder, tools=tools)
    assert CHANGED not in one(check(folder), "nb/welcome").problems
    reword(folder, "Hei. Du har kommet til oss.")
    for _ in range(2):
        assert CHANGED in one(check(folder), "nb/welcome").problems
        (row,) = [row for row in script.rows(folder, drafts=True) if row.key == "welcome"]
        assert (row.outdated, row.kind) == (True, "recording")
        found = faults(DEPARTMENTS, folder, ROOT / "dialplan", root=ROOT)
        assert any(CHANGED in fault.reason and fault.note for fault in found)
        build(folder, tools=tools)  # it does not hide that the sound is the earlier one
    record(folder / "nb" / "welcome.wav", (500, 1.5, 0.05))
    build(folder, tools=tools)
    assert CHANGED not in one(check(folder), "nb/welcome").problems
    assert not any(row.key == "welcome" for row in script.rows(folder, drafts=True))


@pytest.mark.parametrize(("seconds", "said"), [(0.5, "cut off"), (1.6, ""), (9.0, "cut off")])
def test_recording_of_another_length_than_its_text_is_reported(
    folder: Path, tools: Path, seconds: float, said: str
) -> None:
    record(folder / "nb" / "welcome.wav", (440, seconds, 0.05))
    build(folder, tools=tools)
    problems = " ".join(one(check(folder), "nb/welcome").problems)
    assert said in problems and bool(problems) == bool(said)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Hei. Vi ringer deg innen klokken seksten.", "but .kirurgi. accepts calls until"),
        ("Hei. Ring 113 ved fare for liv.", "says «113»: write it in words"),
        ("Hei, du har ringt oss nå. " * 40, "has 1039 characters, about 74 s"),
    ],
)
def test_build_refuses_what_check_refuses(folder: Path, tools: Path, text: str, reason: str) -> None:
    before = (folder / "build" / "manifest.json").read_bytes()
    reword(folder, text)
    found = faults(DEPARTMENTS, folder, ROOT / "dialplan", root=ROOT)
    assert any(re.search(reason, fault.reason) and not fault.note for fault in found)
    with pytest.raises(PromptsError, match=reason) as refused:
        build(folder, tools=tools, departments=load_departments(DEPARTMENTS))
    assert str(refused.value).startswith(f"{folder / 'catalogue.toml'}:")
    assert (folder / "build" / "manifest.json").read_bytes() == before
