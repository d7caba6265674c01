"""`innringing check` finds what would surprise a caller, or write digits to a log."""

import shutil
from pathlib import Path

from desk.departments import load_departments
from desk.settings import ROOT
from docker.check import dialplan_faults

DEPARTMENTS = load_departments(ROOT / "dialplan" / "departments.toml")


def test_the_dialplan_as_it_is_has_no_fault() -> None:
    assert dialplan_faults(ROOT / "dialplan", DEPARTMENTS) == []


def test_a_number_without_its_department_and_a_loud_log_are_named(tmp_path: Path) -> None:
    for name in ("extensions.conf", "logger.conf"):
        shutil.copy(ROOT / "dialplan" / name, tmp_path)
    extensions = tmp_path / "extensions.conf"
    extensions.write_text(extensions.read_text("utf-8").replace("exten => 1000,", "exten => 1001,"), "utf-8")
    logger = tmp_path / "logger.conf"
    logger.write_text(logger.read_text("utf-8") + "full => notice,verbose\n", "utf-8")
    faults = dialplan_faults(tmp_path, DEPARTMENTS)
    assert [fault.partition(" ")[0] for fault in faults] == ["extensions.conf:", "extensions.conf:", "logger.conf:"]
    assert "1000" in faults[0] and "1001" in faults[1] and "verbose" in faults[2]
