"""Each mistake in Asterisk's files is reported at its file and line, with what to write instead."""

import shutil
from pathlib import Path

import pytest

from desk.departments.file import load_departments
from desk.paths import ROOT
from ivr.prompts.catalogue import load_catalogue
from ops.commands.dialplan.candidate import prompts_of
from ops.commands.dialplan.rules import DialplanCheck
from tests.support.mistakes import ELSEWHERE, IN_EXTENSIONS, IN_SIP, Mistake
from tests.support.sly_mistakes import SLY

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
