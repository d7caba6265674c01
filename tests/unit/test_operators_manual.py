"""What docs/operator.md says to write, written so, is accepted; and the mistake it warns of is reported as it says."""

import re
import shutil
from pathlib import Path

import pytest

from desk.departments.file import load_departments
from desk.paths import ROOT
from ops.commands.check import faults
from ops.messages.translation import norwegian
from tests.support.manual import YEAR, blocks, section, set_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "dialplan", tmp_path / "dialplan"))


def mistakes(folder: Path) -> list[str]:
    found = faults(folder / "departments.toml", ROOT / "prompts", folder, root=folder)
    return [str(fault) for fault in found if not fault.note]


def test_new_department_as_the_manual_says(folder: Path) -> None:
    departments, extensions = folder / "departments.toml", folder / "extensions.conf"
    departments.write_text(departments.read_text("utf-8") + "\n" + blocks("Ny avdeling")[0], "utf-8")
    assert any("[from-trunk] has no extension 3000" in each for each in mistakes(folder))  # «Glemmer du punkt 2 …»
    (lines,) = [each for each in blocks("Ny avdeling", "") if "exten" in each]
    text = extensions.read_text("utf-8")
    assert "[departments]\n" in text
    extensions.write_text(text.replace("[departments]\n", f"[departments]\n{lines}", 1), "utf-8")
    assert mistakes(folder) == []
    assert load_departments(departments).get("ortopedi").extension == "3000"


def test_messages_that_the_manual_explains_are_printed_so() -> None:
    rows = [line for line in section("Når noe er galt").splitlines() if line.startswith("| `")]
    quoted = [code for line in rows for code in re.findall(r"`([^`]+)`", line.split(" | ")[0])]
    known = [re.sub(r"\{[^{}]*\}", "…", written) for written in norwegian().texts.values()]
    assert len(quoted) > 25
    assert [each for each in quoted if not any(_agree(each, text) for text in known)] == []


def _agree(quoted: str, text: str) -> bool:
    """Whether a message of the manual, «…» for what it leaves out, is this text with values."""
    if quoted.endswith(": …"):  # only the beginning
        text, quoted = text.partition(": ")[0], quoted.removesuffix(": …")
        return _agree(quoted, text) or (": " in quoted and _agree(quoted.partition(": ")[2], text))
    if re.fullmatch(re.escape(text).replace("…", ".+"), quoted):
        return True
    return ": " in quoted and _agree(quoted.partition(": ")[2], text)


def test_other_deadline_and_closed_days_as_the_manual_says(folder: Path) -> None:
    departments = folder / "departments.toml"
    block, _, half_days = blocks("Frister og runder")[0].partition("\n[kirurgi.half_days]\n")
    text = set_in(departments.read_text("utf-8"), "kirurgi", block)
    departments.write_text(set_in(text, "kirurgi.half_days", half_days), "utf-8")
    assert mistakes(folder) == []
    kirurgi = load_departments(departments).get("kirurgi")
    assert (f"{kirurgi.cutoff:%H:%M}", f"{kirurgi.answer_by:%H:%M}") == ("13:00", "14:00")
    assert f"{YEAR}-12-31" in {day.isoformat() for day in kirurgi.closed_days}
    assert f"{YEAR}-12-24" in {day.isoformat() for day in kirurgi.half_days}
