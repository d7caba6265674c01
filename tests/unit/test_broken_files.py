"""Operators' files with one mistake each: the check reports that mistake at its line, and nothing else."""

import io
import shutil
import subprocess
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from desk.departments.file import load_departments
from desk.files.faults import FileFault
from desk.paths import ROOT
from desk.settings.settings import Settings
from ivr.prompts import voices
from ops.commands.check import faults, sms_off
from ops.machine import tree

DEPARTMENTS = (ROOT / "dialplan" / "departments.toml").read_text("utf-8")
CATALOGUE = (ROOT / "prompts" / "catalogue.toml").read_text("utf-8")
SMS = (ROOT / "prompts" / "sms.toml").read_text("utf-8")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The operators' files, all valid, with no prompts built."""
    shutil.copytree(ROOT / "dialplan", tmp_path / "dialplan")
    (tmp_path / "prompts" / "nb").mkdir(parents=True)
    (tmp_path / "prompts" / "catalogue.toml").write_text(CATALOGUE, "utf-8")
    (tmp_path / "prompts" / "sms.toml").write_text(SMS, "utf-8")
    return tmp_path


def checked(root: Path) -> list[FileFault]:
    """The faults without the notes."""
    found = faults(root / "dialplan" / "departments.toml", root / "prompts", root / "dialplan", root=root)
    return [fault for fault in found if not fault.note]


def tone(seconds: float = 1.0, amplitude: float = 0.3, rate: int = 44_100, channels: int = 2) -> bytes:
    """A WAV of one tone."""
    sound = amplitude * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.repeat((sound * 32767).astype("<i2"), channels).tobytes())
    return out.getvalue()


def line_of(text: str, words: str) -> int:
    return 1 + text[: text.index(words)].count("\n")


def test_shipped_files_are_valid(root: Path) -> None:
    assert checked(root) == []


BROKEN_DEPARTMENTS = [
    ("bad TOML", 'cutoff = "14:00"', 'cutoff = "14:00', "this is not TOML", 'cutoff = "14:00"'),
    ("unknown key", 'cutoff = "14:00"', 'cut_off = "14:00"', "did you mean «cutoff»?", 'cutoff = "14:00"'),
    ("missing key", 'answer_by = "15:00"\n', "", "«answer_by» is missing: the deadline policy", "[kirurgi]"),
    ("no such hour", 'cutoff = "14:00"', 'cutoff = "24:30"', "must be hours and minutes", 'cutoff = "14:00"'),
    ("a bare number", 'cutoff = "14:00"', "cutoff = 14", "must be hours and minutes", 'cutoff = "14:00"'),
    ("a promise before the cutoff", 'answer_by = "15:00"', 'answer_by = "13:00"', "before «cutoff»", "answer_by = "),
    ("a promise when nobody rings", 'answer_by = "15:00"', 'answer_by = "17:00"', "from 08:00 to 16:00", "answer_by ="),
    ("round after closing", '["10:00", "13:00"]', '["10:00", "17:00"]', "there is a round at 17:00", "rounds = "),
    ("overlapping rounds", '["10:00", "13:00"]', '["10:00", "10:30"]', "is not over when 10:30 starts", "rounds = "),
    ("rounds backwards", '["10:00", "13:00"]', '["13:00", "10:00"]', "must ascend, each time once", "rounds = "),
    ("hours of both policies", 'policy = "rounds"\n', 'policy = "rounds"\ncutoff = "14:00"\n', "does not belong", None),
    (
        "two on one number",
        'extension = "2000"',
        'extension = "1000"',
        "is the same as in [kirurgi]",
        'extension = "2000"',
    ),
    ("a premium number", '"+4768050001"', '"82012345"', "not a Norwegian phone number", "hospital_number ="),
    ("a name with a blank", "[hjerte]", '["hjerte avd"]', "can't name a department", "[hjerte]"),
    (
        "a date in quotes",
        "[2026-12-31, 2027-12-31]",
        '["2026-12-31"]',
        "must be a list of dates",
        "closed_days = [2026-12-31",
    ),
    (
        "referrers on a patients' number",
        'extension = "2000"',
        'extension = "2000"\nreferrer_extension = "1000"',
        "«referrer_extension» is the same as «extension» of [kirurgi]",
        None,
    ),
    ("a half day that is closed", "2026-12-24 = {", "2026-12-31 = {", "is in «closed_days» too", "2026-12-24 = {"),
    (
        "a language nobody speaks",
        'languages = ["nb", "en"]',
        'languages = ["nb", "sv"]',
        "one or more of nb",
        "languages =",
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "reason", "place"),
    [pytest.param(*case[1:], id=case[0]) for case in BROKEN_DEPARTMENTS],
)
def test_broken_departments_file_is_reported_at_its_line(
    root: Path, old: str, new: str, reason: str, place: str | None
) -> None:
    file = root / "dialplan" / "departments.toml"
    assert old in DEPARTMENTS
    file.write_text(DEPARTMENTS.replace(old, new, 1), "utf-8")
    (fault,) = checked(root)
    assert fault.file == "dialplan/departments.toml"
    assert reason in fault.reason
    if place is not None:
        assert fault.line == line_of(DEPARTMENTS, place)


CHOICE = '[hjerte.choice]\nquestions = { address = "answer_address", parking = "answer_parking" }\n'
BROKEN_CHOICES = [
    ("two choices", f"{CHOICE}urgent = true\n", 3, "two choices: callers get at most one after the request"),
    ("the urgent line first", CHOICE.replace("]\n", "]\nurgent = true\n"), 3, "callers get at most one"),
    ("no such topic", CHOICE.replace("address =", "adress ="), 2, "did you mean «address»?"),
    ("no answer", "[hjerte.choice]\nquestions = {}\n", 2, "«questions» is empty"),
    ("an answer of the program's", CHOICE.replace("answer_address", "welcome"), 2, "a prompt of your own"),
    ("an answer without a text", CHOICE.replace("answer_parking", "answer_garage"), 2, "has no answer_garage"),
    ("an unknown choice", "[hjerte.choice]\nqueue = true\n", 2, "unknown key «queue»"),
]


@pytest.mark.parametrize(("text", "line", "reason"), [pytest.param(*case[1:], id=case[0]) for case in BROKEN_CHOICES])
def test_broken_choice_after_the_request_is_reported(root: Path, text: str, line: int, reason: str) -> None:
    (root / "dialplan" / "departments.toml").write_text(DEPARTMENTS + text, "utf-8")
    first, *others = checked(root)
    assert (first.file, first.line) == ("dialplan/departments.toml", DEPARTMENTS.count("\n") + line)
    assert reason in first.reason
    assert {fault.line for fault in others} <= {first.line}  # a text may be missing in several languages


def test_departments_file_in_the_wrong_encoding_is_reported(root: Path) -> None:
    text = DEPARTMENTS.replace("Kirurgisk poliklinikk", "Øre-nese-hals")
    (root / "dialplan" / "departments.toml").write_bytes(text.encode("utf-8").replace("Ø".encode(), b"\xd8"))
    (fault,) = checked(root)
    assert (fault.line, fault.reason) == (
        line_of(text, "Øre"),
        "this is not UTF-8: save the file as UTF-8",
    )


BROKEN_TEXTS = [
    ("bad TOML", 'digit_7 = "sju"', 'digit_7 = "sju', "this is not TOML", "digit_7"),
    (
        "missing prompt",
        'emergency = "Er det',
        'emergncy = "Er det',
        "[nb] lacks emergency",
        "[nb]",
    ),
    ("unknown prompt", 'digit_7 = "sju"', 'digit_7 = "sju"\ndigt_7 = "sju"', "did you mean «digit_7»?", "digit_8"),
    ("no words", 'digit_7 = "sju"', 'digit_7 = ""', "digit_7 has no text", "digit_7"),
    ("a placeholder", '"Du kan legge på nå."', '"Du kan legge på, {navn}."', "holds «{navn}»", "may_hang_up ="),
    ("a pause too long", "pause = 0.25", "pause = 25", "pause must be seconds", "pause ="),
    (
        "an hour not kept",
        '"Du kan legge på nå."',
        '"Vi ringer klokken 17."',
        "but [kirurgi] accepts calls",
        "may_hang_up =",
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "reason", "place"), [pytest.param(*case[1:], id=case[0]) for case in BROKEN_TEXTS]
)
def test_broken_catalogue_is_reported_at_its_line(root: Path, old: str, new: str, reason: str, place: str) -> None:
    assert old in CATALOGUE
    (root / "prompts" / "catalogue.toml").write_text(CATALOGUE.replace(old, new, 1), "utf-8")
    first, *others = checked(root)
    assert (first.file, first.line) == ("prompts/catalogue.toml", line_of(CATALOGUE, place))
    assert {fault.line for fault in others} <= {first.line}  # an hour may be wrong for several departments
    assert reason in first.reason


def test_catalogue_in_the_wrong_encoding_is_reported(root: Path) -> None:
    (root / "prompts" / "catalogue.toml").write_bytes(CATALOGUE.encode("latin-1", "replace"))
    (fault,) = checked(root)
    assert fault.reason == "this is not UTF-8: save the file as UTF-8"
    assert fault.line == 1 + next(n for n, line in enumerate(CATALOGUE.split("\n")) if not line.isascii())


BROKEN_RECORDINGS: list[tuple[str, str, bytes, str]] = [
    ("empty WAV", "welcome.wav", b"", "could not be read as sound"),
    ("header alone", "welcome.wav", tone()[:44].replace(tone()[40:44], b"\0\0\0\0"), "empty or silent"),
    ("truncated WAV", "welcome.wav", tone()[:60_000], "the recording is cut off"),
    ("silence", "welcome.wav", tone(amplitude=0.0), "the recording is empty or silent"),
    ("too long", "welcome.wav", tone(21, rate=8_000, channels=1), "longer than 20 s"),
    ("a text named WAV", "welcome.wav", b"Velkommen, her blir du ringt tilbake.", "could not be read as sound"),
    ("a wrong name", "velkommen.wav", tone(), "there is no prompt with this key"),
]


@pytest.mark.parametrize(
    ("name", "content", "reason"), [pytest.param(*case[1:], id=case[0]) for case in BROKEN_RECORDINGS]
)
def test_broken_recording_is_reported_with_the_reason(root: Path, name: str, content: bytes, reason: str) -> None:
    (root / "prompts" / "nb" / name).write_bytes(content)
    (fault,) = checked(root)
    assert fault.file == f"prompts/nb/{name}"
    assert reason in fault.reason


def test_second_recording_of_a_prompt_is_reported(root: Path) -> None:
    for name in ("welcome.wav", "welcome.mp3"):
        (root / "prompts" / "nb" / name).write_bytes(tone())
    (fault,) = checked(root)
    assert "a second recording, in addition to welcome.mp3: keep one" in fault.reason


def test_missing_recording_of_the_last_build_is_reported(root: Path) -> None:
    build = root / "prompts" / "build"
    build.mkdir()
    (build / "manifest.json").write_text(
        '{"prompts": {"nb/welcome": {"fingerprint": "x", "kind": "recording", "samples": 1}}}', "utf-8"
    )
    (fault,) = checked(root)
    assert (fault.file, fault.reason) == (
        "prompts/nb/welcome",
        "the recording of the last build is missing: restore it, or build without it",
    )


def test_studio_recording_is_accepted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 48 kHz stereo MP3 is not a fault."""
    tools = tree.ensure(tree.ASTERISK) / "bin"
    wav, mp3 = root / "tone.wav", root / "prompts" / "nb" / "welcome.mp3"
    wav.write_bytes(tone(rate=48_000))
    run: Callable[..., object] = subprocess.run
    run([tools / "ffmpeg", "-loglevel", "error", "-i", wav, "-ar", "48000", "-ac", "2", mp3], check=True)
    with voices.programs_from(tools):
        assert checked(root) == []


BROKEN_SMS = [
    ("no promise", "ringer deg {when}", "ringer deg", "does not say when we ring: put {when} into it", "receipt = "),
    ("another placeholder", "fra {number}", "fra {nummer}", "holds «{nummer}», which nothing fills in", "receipt = "),
    ("quotation marks", "Ring oss.", "Ring oss 👍.", "holds «👍», which a text message can't carry", "receipt = "),
    ("three messages", "Ring oss.", "Ring oss. " + "Vel møtt. " * 25, "takes 3 messages when filled in", "receipt = "),
    (
        "the clinic's name",
        "Ring oss.",
        "Poliklinikk",
        "says «poliklinikk», which identifies [kirurgi]",
        "receipt = ",
    ),
    ("unknown key", "new_promise =", "new_promis =", "did you mean «new_promise»?", "new_promis ="),
]


@pytest.mark.parametrize(
    ("old", "new", "reason", "place"), [case[1:] for case in BROKEN_SMS], ids=[case[0] for case in BROKEN_SMS]
)
def test_mistake_in_the_sms_texts_is_reported_at_its_line(
    root: Path, old: str, new: str, reason: str, place: str
) -> None:
    head, body = SMS[: SMS.index("[nb]")], SMS[SMS.index("[nb]") :]
    text = head + body.replace(old, new, 1)
    (root / "prompts" / "sms.toml").write_text(text, "utf-8")
    (fault,) = checked(root)
    assert (fault.file, reason in fault.reason) == ("prompts/sms.toml", True), fault
    assert fault.line == line_of(text, f"\n{place}") + 1


def test_sms_receipts_without_a_gateway_get_a_note(root: Path) -> None:
    file = root / "dialplan" / "departments.toml"
    (note,) = sms_off(Settings.read(environment="production", departments_file=file))
    assert note.note
    assert note.line == line_of(DEPARTMENTS, "sms_receipt = ")
    assert "[kirurgi] sms_receipt is true, but SMS is off: set INNRINGING_SMS_GATEWAY" in note.reason
    assert sms_off(Settings.read(environment="demo", departments_file=file)) == []


def test_dialplan_is_not_checked_when_departments_cannot_be_read(root: Path) -> None:
    (root / "dialplan" / "departments.toml").unlink()
    (fault,) = checked(root)
    assert fault.reason == "it can't be read: No such file or directory"


def test_there_are_at_least_twenty_five_cases() -> None:
    assert len(BROKEN_DEPARTMENTS) + len(BROKEN_TEXTS) + len(BROKEN_RECORDINGS) + 4 >= 25
    assert load_departments(ROOT / "dialplan" / "departments.toml")
