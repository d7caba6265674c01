"""access.toml: the grants of a group, and the line of a mistake."""

from pathlib import Path

import pytest

from desk.access.permissions import Grant, Role
from desk.accounts.errors import AccessFileError
from desk.accounts.oidc.groups_file import AccessFile, load_access, unknown_departments
from desk.paths import ROOT
from ops.commands.check import groups

FILE = ROOT / "dialplan" / "access.toml"
DEPARTMENTS = ROOT / "dialplan" / "departments.toml"
TEXT = """claim = "roles"

[groups."7a1c"]
comment = "Sekretærer"
agent = ["kirurgi"]

[groups."/avdelinger/ledere"]
leader = ["kirurgi", "hjerte"]
auditor = ["*"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "access.toml"
    file.write_text(TEXT, "utf-8")
    return file


def test_shipped_file_is_valid_and_grants_no_access() -> None:
    given = load_access(FILE)
    assert (given.claim, given.name, given.grants) == ("groups", "name", {})
    assert groups(FILE, DEPARTMENTS, root=ROOT) == []


def test_commented_examples_in_the_shipped_file_are_valid(tmp_path: Path) -> None:
    file = tmp_path / "access.toml"
    head, examples = FILE.read_text("utf-8").split('# [groups."', 1)
    file.write_text(head + "\n".join(line.removeprefix("# ") for line in f'[groups."{examples}'.splitlines()), "utf-8")
    assert len(load_access(file).grants) == 2
    assert groups(file, DEPARTMENTS, root=ROOT) == []


def test_member_of_several_groups_gets_the_grants_of_each(file: Path) -> None:
    given = load_access(file)
    assert given.claim == "roles"
    leader = {Grant(Role.LEADER, "kirurgi"), Grant(Role.LEADER, "hjerte"), Grant(Role.AUDITOR, "*")}
    assert given.of(["7a1c"]) == {Grant(Role.AGENT, "kirurgi")}
    assert given.of(["7a1c", "/avdelinger/ledere", "other"]) == {Grant(Role.AGENT, "kirurgi"), *leader}
    assert given.of(["7A1C", "other", ""]) == frozenset()


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ('claim = "roles"', "claim = 3", 1, "«claim» must be the name of a claim"),
        ('claim = "roles"', 'clame = "roles"', 1, "unknown key «clame»: did you mean «claim»?"),
        ("agent = [", "agnt = [", 5, "unknown key «agnt»: did you mean «agent»?"),
        ('agent = ["kirurgi"]', 'agent = "kirurgi"', 5, '«agent» must be a list of departments, such as ["kirurgi"]'),
        ('agent = ["kirurgi"]', "agent = []", 5, '«agent» must be a list of departments, such as ["kirurgi"]'),
        ('agent = ["kirurgi"]', "", 3, "the group gives no role: write agent or leader"),
        ('[groups."7a1c"]', '[groups."7a1c"', 3, "this is not TOML"),
        ('[groups."7a1c"]\n', "[groups]\n7a1c = 1\n", 4, "«7a1c» must be a table: write [groups."),
    ],
)
def test_mistake_is_reported_at_its_line(file: Path, old: str, new: str, line: int, said: str) -> None:
    assert old in TEXT
    file.write_text(TEXT.replace(old, new, 1).partition("comment" if "7a1c = 1" in new else "\0")[0], "utf-8")
    with pytest.raises(AccessFileError) as refused:
        load_access(file)
    assert refused.value.line == line
    assert said in refused.value.reason


def test_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(AccessFileError, match="the file of groups and roles is missing"):
        load_access(tmp_path / "access.toml")


def test_check_reports_an_unknown_department(file: Path, tmp_path: Path) -> None:
    file.write_text(TEXT.replace('["kirurgi"]', '["kirugi"]'), "utf-8")
    found = [(5, "there is no department kirugi: did you mean kirurgi?")]
    assert list(unknown_departments(file, ["kirurgi", "hjerte"])) == found
    (fault,) = groups(file, DEPARTMENTS, root=tmp_path)
    assert (fault.file, fault.line, fault.note) == ("access.toml", 5, False)
    file.write_text("claim = 1", "utf-8")
    (fault,) = groups(file, DEPARTMENTS, root=tmp_path)
    assert fault.line == 1


def test_valid_edit_takes_effect_and_a_mistake_does_not(tmp_path: Path) -> None:
    file, now = tmp_path / "access.toml", 1_000_000.0
    given = AccessFile(file, seconds=lambda: now, wall=lambda: now)
    assert (given(), given.fault is not None) == (None, True), "no good file yet: nobody is let in"
    file.write_text(TEXT, "utf-8")
    now += 1
    good = given()
    assert good == load_access(file)
    assert given.fault is None
    file.write_text(TEXT.replace("agent", "agnt"), "utf-8")
    now += 1
    assert given() is good
    assert given.fault is not None
