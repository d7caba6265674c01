"""`innringing reload`: Asterisk gets the new files, or keeps the ones it has."""

import shutil
import socket
import stat
from pathlib import Path

import pytest

from desk.files.faults import FileFault
from desk.paths import ROOT
from ops.commands import reload
from ops.commands.dialplan.candidate import FilesRefused, files_for_start, mistakes
from ops.commands.reload import ChangedMeanwhile, NotTakenIn, Refused, check_and_take_in
from ops.machine import asterisk, instance
from ops.machine.running import NotRunning, alone_with, find
from tests.support.machine.servers import machine_settings

DTMF_LINE = 1 + (ROOT / "dialplan" / "pjsip.conf").read_text("utf-8").splitlines().index("dtmf_mode=auto")
ORTHOPAEDICS = """
[ortopedi]
name = "Ortopedisk poliklinikk"
extension = "3000"
hospital_number = "+4768050003"
policy = "rounds"
rounds = ["09:00", "12:00"]
"""
NUMBER = "[departments]\nexten => 3000,1,Set(DEPARTMENT=ortopedi)\n same => n,Goto(innringing,s,1)\n"
ANNE = """
[anne](line,phone-security)
context=phones
identify_by=username
auth=anne
aors=anne
[anne]
type=aor
max_contacts=1
"""


@pytest.fixture
def running(tmp_path: Path) -> asterisk.AsteriskServer:
    """An Asterisk with the shipped files. It is stopped after the test."""
    settings = machine_settings(tmp_path / "var", runner="tree")
    return asterisk.start(settings.changed(departments_file=tmp_path / "dialplan" / "departments.toml"))


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The operators' files, which a test can change."""
    made = Path(shutil.copytree(ROOT / "dialplan", tmp_path / "dialplan"))
    request.addfinalizer(request.getfixturevalue("running").stop)
    return made


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text("utf-8") + text, "utf-8")


def test_new_department_and_phone_are_there_without_a_restart(running: asterisk.AsteriskServer, folder: Path) -> None:
    append(folder / "departments.toml", ORTHOPAEDICS)
    change(folder / "extensions.conf", "[departments]\n", NUMBER)
    append(folder / "pjsip.conf", ANNE)
    change(folder / "modules.conf", "load=app_read.so\n", "")
    pid = running.pid
    taken = check_and_take_in(running.settings, dialplan=folder, root=folder)
    assert "3000" in taken.expected.numbers and "anne" in taken.expected.endpoints
    assert taken.waiting == ["modules.conf"]
    assert "Set(DEPARTMENT=ortopedi)" in running.console("dialplan show 3000@from-trunk")
    assert "anne/anne" in running.console("pjsip show endpoint anne")
    assert running.pid == pid and running.instance.complaints() == []
    secret = running.instance.folder / "etc" / "local" / "phones.conf"
    assert "[anne]" in secret.read_text("utf-8") and stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert running.instance.passwords["switchboard"] in secret.read_text("utf-8")


def test_mistake_changes_nothing(running: asterisk.AsteriskServer, folder: Path) -> None:
    change(folder / "extensions.conf", "Answer()", "Answr()")
    before = instance.copy_of(running.instance.folder)
    with pytest.raises(Refused) as refused:
        check_and_take_in(running.settings, dialplan=folder, root=folder)
    assert {fault.file for fault in refused.value.faults} == {"extensions.conf"}
    assert instance.copy_of(running.instance.folder) == before
    assert "Answer()" in running.console("dialplan show s@innringing")


def test_file_that_is_saved_during_the_check_is_not_taken_in_unchecked(
    running: asterisk.AsteriskServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def saves(*arguments: object, **more: object) -> list[FileFault]:
        found = mistakes(*arguments, **more)  # type: ignore[arg-type]
        change(folder / "extensions.conf", "Answer()", "Answr()")
        return found

    monkeypatch.setattr(reload, "mistakes", saves)
    before = instance.copy_of(running.instance.folder)
    with pytest.raises(ChangedMeanwhile):
        check_and_take_in(running.settings, dialplan=folder, root=folder)
    assert instance.copy_of(running.instance.folder) == before


def test_previous_files_are_put_back_if_asterisk_lacks_something(
    running: asterisk.AsteriskServer, folder: Path
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        append(folder / "pjsip.conf", f"\n[second]\ntype=transport\nprotocol=udp\nbind={address}\n{ANNE}")
        append(folder / "extensions.conf", "\n[extra]\nexten => 9,1,Hangup()\n")
        before = instance.copy_of(running.instance.folder)
        with pytest.raises(NotTakenIn, match="Asterisk has no transport second"):
            check_and_take_in(running.settings, dialplan=folder, root=folder)
    assert instance.copy_of(running.instance.folder) == before
    assert "Unable to find object anne" in running.console("pjsip show endpoint anne")
    assert "'9'" not in running.console("dialplan show extra")
    assert "transport-udp" in running.console("pjsip show transports")
    assert "Answer()" in running.console("dialplan show s@innringing")


def test_restart_does_not_take_in_an_unchecked_edit(running: asterisk.AsteriskServer, folder: Path) -> None:
    change(folder / "extensions.conf", "Answer()", "Answr()")
    running.restart()
    assert "Answer()" in running.console("dialplan show s@innringing")


def test_two_reloads_at_once_do_not_undo_each_other(running: asterisk.AsteriskServer, folder: Path) -> None:
    with alone_with(find(running.settings)), pytest.raises(NotRunning, match="another reload is under way"):
        check_and_take_in(running.settings, dialplan=folder, root=folder)


def test_without_a_running_asterisk_the_command_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="start it with innringing run or make up"):
        check_and_take_in(machine_settings(tmp_path, runner="tree"))


def test_first_start_with_a_mistake_is_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ROOT / "dialplan", tmp_path / "dialplan"))
    change(folder / "pjsip.conf", "dtmf_mode=auto", "dtmf_mod=auto")
    with pytest.raises(FilesRefused, match=rf"^pjsip.conf:{DTMF_LINE}: type=endpoint has no option «dtmf_mod»"):
        files_for_start(
            machine_settings(tmp_path), tmp_path / "asterisk", dialplan=folder, root=folder, say=lambda line: None
        )


def test_later_start_with_a_mistake_uses_the_previous_files(tmp_path: Path) -> None:
    settings = machine_settings(tmp_path, runner="tree")
    folder = Path(shutil.copytree(ROOT / "dialplan", tmp_path / "dialplan"))
    given = files_for_start(settings, tmp_path / "asterisk", dialplan=folder, root=folder, say=lambda line: None)
    made = instance.prepare(settings, tmp_path / "asterisk", Path("/"), dialplan=given)
    change(folder / "pjsip.conf", "dtmf_mode=auto", "dtmf_mod=auto")
    said: list[str] = []
    given = files_for_start(settings, made.folder, dialplan=folder, root=folder, say=said.append)
    again = instance.prepare(settings, made.folder, Path("/"), dialplan=given)
    assert given is None and f"pjsip.conf:{DTMF_LINE}" in said[0] and "files it had last time" in said[-1]
    assert "dtmf_mode=auto" in (made.folder / "etc" / "pjsip.conf").read_text("utf-8")
    assert again.passwords == made.passwords
