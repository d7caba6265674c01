"""A dialplan that would leave a caller in silence is reported at its line."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from desk.departments.file import load_departments
from desk.files.faults import FileFault
from desk.paths import ROOT
from ops.commands.dialplan.parser import Dialplan, Place
from ops.commands.dialplan.rules import DialplanCheck
from ops.commands.dialplan.telephony_files import NEEDED
from ops.machine.instance import files_of

DIALPLAN = ROOT / "dialplan"
DEPARTMENTS = load_departments(DIALPLAN / "departments.toml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copied = tmp_path / "dialplan"
    shutil.copytree(DIALPLAN, copied)
    return copied


def faults(folder: Path) -> list[FileFault]:
    return DialplanCheck(folder, DEPARTMENTS, folder).faults()


def test_shipped_dialplan_has_no_faults() -> None:
    assert DialplanCheck(DIALPLAN, DEPARTMENTS, ROOT).faults() == []


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        ("extensions.conf", "exten => 1000,", "exten => 1001,", "[from-trunk] has no extension 1000"),
        ("extensions.conf", "exten => 1000,", "exten => 1001,", "1001 is not [kirurgi]'s number"),
        ("extensions.conf", "DEPARTMENT=kirurgi", "DEPARTMENT=kirugi", "there is no [kirugi] in departments.toml"),
        ("extensions.conf", "DEPARTMENT=kirurgi", "DEPARTMENT=hjerte", "1000 must set DEPARTMENT=kirurgi"),
        ("extensions.conf", "[from-trunk]\ninclude => departments", "[from-trunk]", "[from-trunk] has no extension"),
        ("extensions.conf", " same => n,Set(TIMEOUT(absolute)=2)\n", "", "without Set(TIMEOUT(absolute)=2)"),
        ("extensions.conf", "TIMEOUT(absolute)=2", "TIMEOUT(absolute)=3000", "2 to 30 seconds"),
        ("extensions.conf", "TIMEOUT(absolute)=2", "TIMEOUT(absolut)=2", "without Set(TIMEOUT(absolute)=2)"),
        ("extensions.conf", 'GotoIf($["${STASISSTATUS}" = "FAILED"]', 'GotoIf($["${X}" = "Y"]', "STASISSTATUS=FAILED"),
        ("extensions.conf", "?standby,s,1)", "?stanby,s,1)", "GotoIf to «stanby,s,1», which does not exist"),
        (
            "extensions.conf",
            "exten => T,1,Set(HOW=${IF($[${EPOCH} - ${BEGAN} > 4]?again)})\n same => n,Goto(again",
            "exten => U,1,Goto(again",
            "no extension T",
        ),
        ("extensions.conf", "exten => T,1,Set(HOW=${IF($[", "exten => T,1,Hangup(${IF($[", "extension T does not lead"),
        ("extensions.conf", "n,AGI(${STANDBY}", "n,NoOp(", "extension T does not lead to the standby"),
        ("extensions.conf", "?again,s,1)", "?rescue,s,1)", "FAILED does not lead to the standby"),
        ("extensions.conf", "s,1,Set(AGIEXITONHANGUP=yes)", "s,1,NoOp()", "Set(AGIEXITONHANGUP=yes) is missing"),
        ("extensions.conf", "Stasis(innringing,", "Stasis(innringning,", "the application is innringing"),
        ("extensions.conf", " same => n,Dial(${SWITCHBOARD},30,ri)\n", "", "does not lead to the switchboard"),
        (
            "extensions.conf",
            "Playback(innringing/rescue)",
            "Read(ID,innringing/rescue,11)",
            "Read() writes callers' digits",
        ),
        ("extensions.conf", "exten => 1001,", "exten => 1009,", "has no extension 1001, [kirurgi]'s «referrer_exten"),
        ("extensions.conf", "Goto(agents-line,kirurgi", "Goto(agents-line,hjerte", "which does not exist"),
        ("extensions.conf", "Goto(agents-line,kirurgi,1)", "Goto(innringing,s,1)", "1001 reaches Stasis before it cal"),
        (
            "extensions.conf",
            "Goto(urgent-line,kirurgi,1)",
            "Hangup()",
            "1002 calls no one: there is no Dial(…) on that path",
        ),
        ("extensions.conf", "[urgent-line]", "[urgent]", "[urgent-line] has no extension kirurgi"),
        ("extensions.conf", "Set(TIMEOUT(absolute)=0)\n same => n,Dial(PJSIP/demo", "Dial(PJSIP/demo", "is cut off"),
        (
            "extensions.conf",
            " same => n,Goto(line-unanswered,s,1)\n",
            " same => n,Hangup()\n",
            "1001, unanswered, does not lead to the switchboard",
        ),
        (
            "extensions.conf",
            "s,1,Playback(innringing/line_unanswered)",
            "s,1,NoOp()",
            "1001: no Playback before this says that the line isn't answered",
        ),
        ("modules.conf", "load=func_timeout.so", "", "load=func_timeout.so is missing: TIMEOUT() in extensions.conf:"),
        ("modules.conf", "load=res_stasis.so", ";load=res_stasis.so", "load=res_stasis.so is missing"),
        ("modules.conf", "load=app_dial.so", "noload=app_dial.so", "load=app_dial.so is missing: Dial()"),
        ("extensions.conf", "demo-phone,30,ri)", "demo-phone,30,r)", "Dial() without option i: a phone that redirects"),
        ("extensions.conf", "demo-phone,30,ri)", "demo-phone,30)", "Dial() without option i"),
        ("extensions.conf", "demo-phone,30,ri)", "demo-phone)", "Dial() without option i"),
        (
            "extensions.conf",
            "Dial(PJSIP/demo-phone,30,ri)",
            "dial(PJSIP/demo-phone,30,rL(i))",
            "dial() without option i",
        ),
        ("extensions.conf", "demo-phone,30,ri)", "demo-phone,30,${OPTIONS})", "takes its options from a variable"),
        ("extensions.conf", "demo-phone,30,ri)", "demo-phone,30,ritT)", "Dial() with option T, t: keys in a call"),
        ("extensions.conf", "demo-phone,30,ri)", "demo-phone,30,rikx)", "Dial() with option k, x"),
        ("extensions.conf", "Dial(PJSIP/demo-phone,30,ri)", "Queue(kirurgi,c)", "Queue() without option i"),
        ("extensions.conf", "Dial(PJSIP/demo-phone,30,ri)", "Transfer(PJSIP/21524000)", "Transfer() is not allowed"),
        (
            "extensions.conf",
            "Dial(PJSIP/demo-phone,30,ri)",
            "ExecIf($[1]?Dial(PJSIP/demo-phone,30,ri))",
            "ExecIf() hides Dial()",
        ),
        (
            "extensions.conf",
            "Set(DEPARTMENT=hjerte)",
            "Set(__DYNAMIC_FEATURES=atxfer)",
            "Set(DYNAMIC_FEATURES…) is not allowed",
        ),
        ("modules.conf", "load=chan_pjsip.so", "load=chan_pjsip.so\nload=res_pjsip_refer.so", "calls by REFER"),
        ("modules.conf", "autoload=no", "autoload=yes", "res_pjsip_refer.so must not be loaded"),
        ("pjsip.conf", "allow_transfer=no", "allow_transfer=yes", "[trunk] can transfer calls: allow_transfer=no"),
        ("pjsip.conf", "allow_transfer=no", "", "[switchboard] can transfer calls: allow_transfer=no"),
        ("pjsip.conf", "identify_by=username", "allow_transfer=yes", "[switchboard] can transfer calls"),
        ("pjsip.conf", "[switchboard](line,phone-security)", "[switchboard]\ntype=endpoint", "can transfer calls"),
        ("pjsip.conf", "allow_subscribe=no", "allow_subscribe=yes", "[trunk] can watch other phones"),
        ("pjsip.conf", "redirect_method=user", "redirect_method=uri_pjsip", "redirects calls past the dialplan"),
        ("logger.conf", "notice", "dtmf,notice", "lists dtmf, which writes callers' digits"),
        ("logger.conf", "messages.pipe", "messages.log", "messages.log would have callers' numbers in clear"),
    ],
)
def test_step_that_drops_a_caller_is_reported_at_its_line(
    folder: Path, file: str, old: str, new: str, reason: str
) -> None:
    path = folder / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    found = [fault for fault in faults(folder) if reason in fault.reason]
    assert found, [str(fault) for fault in faults(folder)]
    assert file in {fault.file for fault in found}


def test_missing_time_limit_is_reported_at_the_line_of_stasis(folder: Path) -> None:
    path = folder / "extensions.conf"
    path.write_text(path.read_text("utf-8").replace(" same => n,Set(TIMEOUT(absolute)=2)\n", ""), "utf-8")
    stasis = 1 + path.read_text("utf-8").split("Stasis(")[0].count("\n")
    # both the number of kirurgi and that of hjerte come there
    assert {fault.line for fault in faults(folder) if "without Set(TIMEOUT" in fault.reason} == {stasis}


@pytest.mark.parametrize("options", ["ri", "i", "ir", "L(60000:30000)i", "rU(sub^x)i", "ig"])
def test_dial_with_harmless_options_passes(folder: Path, options: str) -> None:
    path = folder / "extensions.conf"
    path.write_text(path.read_text("utf-8").replace("demo-phone,30,ri)", f"demo-phone,30,{options})"), "utf-8")
    assert faults(folder) == []


def test_endpoint_that_can_transfer_is_reported_at_its_line(folder: Path) -> None:
    text = (folder / "pjsip.conf").read_text("utf-8")
    demo = (DIALPLAN / "demo" / "pjsip.conf").read_text("utf-8")
    (folder / "demo" / "pjsip.conf").write_text(
        demo.replace("context=phones", "context=phones\nallow_transfer=1"), "utf-8"
    )
    (fault,) = faults(folder)
    line = 1 + demo.split("[demo-phone](")[0].count("\n")
    assert (fault.file, fault.line) == ("demo/pjsip.conf", line)
    (folder / "pjsip.conf").write_text(text.replace("allow_transfer=no", ""), "utf-8")
    assert {fault.file for fault in faults(folder)} == {"demo/pjsip.conf", "pjsip.conf"}


@pytest.mark.parametrize("name", NEEDED)
def test_missing_file_is_one_fault(name: str, folder: Path) -> None:
    (folder / name).unlink()
    (fault,) = faults(folder)
    assert (fault.file, fault.reason) == (name, "the file is missing")


def put(make: Callable[[Path], object]) -> Callable[[Path], object]:
    """Put something else in place of a file."""
    return lambda path: (path.unlink(), make(path))


BROKEN_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "another encoding": (lambda path: path.write_bytes("[general]\n; å\n".encode("latin-1")), "not UTF-8"),
    "two bytes a letter": (lambda path: path.write_bytes(path.read_text("utf-8").encode("utf-16")), "not UTF-8"),
    "empty": (lambda path: path.write_bytes(b""), "is missing"),
    "huge": (lambda path: path.write_bytes(path.read_bytes() + b"; x\n" * 200_000), "larger than 512 kB"),
    "a folder": (put(Path.mkdir), "Is a directory"),
    "a pipe": (put(os.mkfifo), "not an ordinary file"),
    "a link to itself": (put(lambda path: path.symlink_to(path.name)), "can't be read"),
    "a link to nothing": (put(lambda path: path.symlink_to("nowhere")), "the file is missing"),
    "damaged": (lambda path: path.write_bytes(path.read_bytes() + b";\0\n"), "a null character"),
}


@pytest.mark.parametrize("case", BROKEN_FILES)
@pytest.mark.parametrize("name", ["extensions.conf", "pjsip.conf", "rtp.conf", "modules.conf", "http.conf"])
def test_what_is_in_a_files_place_is_judged(name: str, case: str, folder: Path) -> None:
    make, reason = BROKEN_FILES[case]
    make(folder / name)
    found = [fault for fault in faults(folder) if fault.file == name]
    assert any(reason in fault.reason for fault in found), faults(folder)


def test_files_saved_on_windows_are_as_good(folder: Path) -> None:
    for path in folder.glob("*.conf"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert faults(folder) == []
    assert files_of(folder, demo=True) == files_of(ROOT / "dialplan", demo=True)


def test_path_through_includes_patterns_and_labels_is_followed() -> None:
    plan = Dialplan(
        "[in]\ninclude => all\n[all]\nexten => _1[0-4]XX,1,NoOp(a; b)\n same => n(here),Goto(there,s,end)\n"
        "[there]\nexten => s,1,NoOp()\n same => n(end),Hangup()\n"
    )
    start = plan.find("in", "1234")
    assert start == Place("all", "_1[0-4]XX", 0)
    assert [step.application for _, step in plan.path(start)] == ["NoOp(a", "Goto", "Hangup"]
    assert plan.find("in", "1534") is None
    loop = Dialplan("[in]\nexten => s,1,Goto(in,s,1)\n")
    assert len(list(loop.path(Place("in", "s", 0)))) == 200  # gives up
