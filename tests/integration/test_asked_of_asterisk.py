"""What only Asterisk itself can judge in its files is found by a second, throw-away Asterisk."""

import json
import shutil
import socket
from pathlib import Path

import pytest

from desk.departments.file import load_departments
from desk.paths import ROOT
from desk.settings.settings import Settings
from ops.commands.dialplan.asked import asked
from ops.machine import tree
from ops.machine.trial import trial
from tests.support.asterisk_words import DOCUMENTATION, FILE, words
from tests.support.machine.servers import machine_settings
from tests.support.mistakes import FOR_ASTERISK, Mistake

DEPARTMENTS = load_departments(ROOT / "dialplan" / "departments.toml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "dialplan", tmp_path / "dialplan"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return machine_settings(tmp_path / "var", runner="tree")


def test_asterisk_says_nothing_about_the_shipped_files(settings: Settings, folder: Path) -> None:
    assert asked(settings, folder, DEPARTMENTS, root=folder) == []


@pytest.mark.parametrize("mistake", FOR_ASTERISK, ids=str)
def test_mistake_is_reported_at_its_line(mistake: Mistake, settings: Settings, folder: Path) -> None:
    line = mistake.make(folder)
    found = asked(settings, folder, DEPARTMENTS, root=folder)
    assert any(mistake.reason in fault.reason for fault in found), found
    if line:
        assert [fault for fault in found if (fault.file, fault.line) == (mistake.file, line)], found


def test_own_file_of_the_machine_is_judged_too(settings: Settings, folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "extensions.conf"
    own.write_text("[globals](+)\n#nonsense\n", "utf-8")
    (fault,) = asked(settings, folder, DEPARTMENTS, root=tmp_path, local=own)
    assert (fault.file, fault.line) == ("extensions.conf", 2)


def test_throw_away_asterisk_is_alone_and_leaves_nothing(settings: Settings, folder: Path) -> None:
    (folder / "pjsip.conf").write_text(
        (folder / "pjsip.conf").read_text("utf-8") + "\n[other]\ntype=transport\nprotocol=udp\nbind=0.0.0.0:5060\n"
        "[far]\ntype=aor\ncontact=sip:192.0.2.1\nqualify_frequency=1\n",
        "utf-8",
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", settings.sip.port))
        with trial(settings, folder) as throw_away:
            assert throw_away.complaints() == []
            shown = throw_away.console("pjsip show transports")
            assert shown.count("  127.0.0.1:") == 3 and ":5060" not in shown
            assert "qualify_frequency    : 0" in throw_away.console("pjsip show aor far")
            made = throw_away.folder
    assert not made.exists()


def test_without_an_asterisk_check_says_that_it_was_not_asked(
    settings: Settings, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INNRINGING_CACHE", str(tmp_path / "empty"))
    (fault,) = asked(settings, folder, DEPARTMENTS, root=folder)
    assert fault.note and "Asterisk is not installed yet" in fault.reason


def test_names_that_check_knows_are_those_of_this_asterisk() -> None:
    found = words(tree.ensure(tree.ASTERISK) / DOCUMENTATION)
    assert json.loads(FILE.read_text("utf-8")) == json.loads(json.dumps(found))
