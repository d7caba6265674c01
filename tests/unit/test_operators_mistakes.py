"""Each mistake in Asterisk's files is reported at its file and line, with what to write instead."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from desk.departments.errors import DepartmentsFileError
from desk.departments.file import load_departments
from desk.files.faults import FileFault
from desk.paths import ROOT
from ivr.prompts.catalogue import load_catalogue
from ops.commands.dialplan.candidate import prompts_of
from ops.commands.dialplan.rules import DialplanCheck
from ops.messages.translation import norwegian
from tests.support.mistakes import ELSEWHERE, IN_EXTENSIONS, IN_SIP, Mistake
from tests.support.sly_mistakes import LIVE, SLY

DEPARTMENTS = load_departments(ROOT / "dialplan" / "departments.toml")
PROMPTS = prompts_of(load_catalogue(ROOT / "prompts" / "catalogue.toml"))


@pytest.mark.parametrize("mistake", [*IN_EXTENSIONS, *IN_SIP, *ELSEWHERE], ids=str)
def test_mistake_is_reported_at_its_line(mistake: Mistake, tmp_path: Path) -> None:
    folder = tmp_path / "dialplan"
    shutil.copytree(ROOT / "dialplan", folder)
    line = mistake.make(folder)
    wrong = DialplanCheck(folder, DEPARTMENTS, folder, prompts=PROMPTS).faults()
    assert [fault for fault in wrong if (fault.file, fault.line) == (mistake.file, line)], wrong
    assert any(mistake.reason in fault.reason for fault in wrong), wrong
    assert in_english(wrong) == []


@pytest.mark.parametrize("mistake", SLY, ids=str)
def test_what_would_break_a_call_is_refused_and_nothing_else(mistake: Mistake, tmp_path: Path) -> None:
    folder = tmp_path / "dialplan"
    shutil.copytree(ROOT / "dialplan", folder)
    line = mistake.make(folder)
    wrong = DialplanCheck(folder, DEPARTMENTS, folder, prompts=PROMPTS).faults()
    if not mistake.reason:
        assert wrong == []
        return
    assert any(mistake.reason in fault.reason for fault in wrong), wrong
    assert line is None or [fault for fault in wrong if (fault.file, fault.line) == (mistake.file, line)], wrong
    assert in_english(wrong) == []


@pytest.mark.parametrize("mistake", LIVE, ids=str)
def test_mistake_in_departments_is_refused_with_its_reason(mistake: Mistake, tmp_path: Path) -> None:
    shutil.copy(ROOT / "dialplan" / "departments.toml", tmp_path)
    line = mistake.make(tmp_path)
    with pytest.raises(DepartmentsFileError) as refused:
        load_departments(tmp_path / "departments.toml")
    assert mistake.reason in refused.value.reason
    assert line in (None, refused.value.line)
    assert norwegian()(refused.value.reason) != refused.value.reason


def in_english(faults: Sequence[FileFault]) -> list[str]:
    """The reasons that an operator would read in English."""
    return [fault.reason for fault in faults if norwegian()(fault.reason) == fault.reason]
