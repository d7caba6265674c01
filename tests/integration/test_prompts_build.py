"""Prompts built with the real espeak-ng and ffmpeg: levels, what is rebuilt, recordings, and what goes wrong."""

import json
import math
import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from desk.settings import ROOT
from docker import tree
from ivr.prompts import cli, sets
from ivr.prompts.build import REFUSED, build
from ivr.prompts.catalogue import ProgramMissing, PromptsError, load_catalogue
from ivr.prompts.check import Checked, check
from ivr.prompts.levels import Samples, from_alaw, from_pcm16, loudness, true_peak

KEYS = len(load_catalogue(ROOT / "prompts" / "catalogue.toml").keys("nb"))


@pytest.fixture(scope="session")
def tools() -> Path:
    return tree.ensure(tree.ASTERISK) / "bin"


@pytest.fixture(scope="session")
def built(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalogue's Bokmål and English, built once as drafts. Tests copy it."""
    folder = tmp_path_factory.mktemp("prompts")
    text = (ROOT / "prompts" / "catalogue.toml").read_text("utf-8")
    text = text[: text.index("[nn]")] + text[text.index("[en]") :]  # the third language is built like the others
    (folder / "catalogue.toml").write_text(text, "utf-8")
    steps: list[tuple[int, int]] = []
    report = build(folder, tools=tools, on_step=lambda done, of: steps.append((done, of)))
    assert (report.built, report.kept, report.removed) == (2 * KEYS, 0, 0)
    assert report.drafts == 2 * KEYS - 2  # the pauses are nobody's voice
    assert steps == [(done, 4 * KEYS) for done in range(1, 4 * KEYS + 1)]
    return folder


@pytest.fixture
def both(built: Path, tmp_path: Path) -> Path:
    """A copy of both languages."""
    return Path(shutil.copytree(built, tmp_path / "both"))


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """A copy of Bokmål alone: half the work."""
    folder = tmp_path / "prompts"
    (home := folder / "build" / "nb").mkdir(parents=True)
    for path in (built / "build" / "nb").iterdir():
        if path.is_file():  # without the sets of earlier builds
            shutil.copy2(path, home)
    shutil.copy(built / "build" / "manifest.json", folder / "build")
    text = (built / "catalogue.toml").read_text("utf-8")
    (folder / "catalogue.toml").write_text(text[: text.index("[en]")], "utf-8")
    return folder


def edit(folder: Path, old: str, new: str) -> None:
    catalogue = folder / "catalogue.toml"
    text = catalogue.read_text("utf-8")
    assert old in text
    catalogue.write_text(text.replace(old, new, 1), "utf-8")


def record(path: Path, *tones: tuple[float, float, float], rate: int = 44_100, channels: int = 2) -> Path:
    """A WAV of tones (hertz, seconds, amplitude) after half a second of silence."""
    parts = [np.zeros(rate // 2)]
    parts += [
        amplitude * np.sin(2 * np.pi * hertz * np.arange(round(s * rate)) / rate) for hertz, s, amplitude in tones
    ]
    frames = np.repeat((np.concatenate(parts) * 32767).astype("<i2"), channels)
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(frames.tobytes())
    return path


def wide(folder: Path, name: str) -> Samples:
    return from_pcm16((folder / "build" / f"{name}.sln16").read_bytes())


def narrow(folder: Path, name: str) -> Samples:
    return from_alaw((folder / "build" / f"{name}.alaw").read_bytes())


def stamps(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in (folder / "build").glob("*/*") if path.is_file()}


def one(lines: list[Checked], name: str) -> Checked:
    (line,) = [line for line in lines if line.source.name == name]
    return line


def test_every_prompt_is_built_and_at_its_level(built: Path) -> None:
    lines = check(built)
    assert len(lines) == 2 * KEYS
    assert [(line.source.name, line.problems) for line in lines if line.problems] == []
    for line in lines:
        wide_sound, narrow_sound = wide(built, line.source.name), narrow(built, line.source.name)
        assert len(wide_sound) / 16_000 == pytest.approx(len(narrow_sound) / 8_000, abs=0.001)
        if line.source.kind == "silence":
            assert not np.any(wide_sound)
            assert np.max(np.abs(narrow_sound)) < 0.001
            continue
        assert true_peak(wide_sound) <= -3
        assert true_peak(narrow_sound) <= -3
        assert line.levels and line.levels.lead <= 0.05 and line.levels.tail <= 0.3
        if not line.source.fragment:
            assert loudness(wide_sound, 16_000) == pytest.approx(-20, abs=1)


def test_the_opening_is_short_in_every_language(built: Path) -> None:
    for language in ("nb", "en"):
        opening = [wide(built, f"{language}/{key}") for key in ("welcome", "emergency", "ask_identity")]
        assert sum(map(len, opening)) / 16_000 <= 12


def test_a_retry_is_spoken_slower(built: Path) -> None:
    manifest = json.loads((built / "build" / "manifest.json").read_text())
    assert manifest["prompts"]["nb/ask_phone"]["kind"] == "draft"
    texts = {
        "nb/ask_phone_slow": "Tast telefonnummeret, ett siffer om gangen.",
        "nb/ask_phone": "Tast telefonnummeret vi skal ringe deg på.",
    }
    pace = {name: len(wide(built, name)) / len(text) for name, text in texts.items()}
    assert pace["nb/ask_phone_slow"] > 1.1 * pace["nb/ask_phone"]


def test_nothing_is_built_twice_and_no_program_is_needed_for_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    before = stamps(folder)
    report = build(folder)
    assert (report.built, report.kept, report.removed) == (0, KEYS, 0)
    assert stamps(folder) == before


def test_only_a_changed_sentence_is_rebuilt(folder: Path, tools: Path) -> None:
    before = stamps(folder)
    edit(folder, "Du kan legge på nå.", "Nå kan du legge på.")
    assert one(check(folder), "nb/may_hang_up").problems == (
        "changed since it was built: run innringing prompts build",
    )
    report = build(folder, tools=tools)
    assert (report.built, report.kept) == (1, KEYS - 1)
    changed = {Path(path).stem for path, stamp in stamps(folder).items() if before[path] != stamp}
    assert changed == {"may_hang_up"}
    assert not any(line.problems for line in check(folder))


def test_a_changed_fragment_levels_its_whole_voice_anew(folder: Path, tools: Path) -> None:
    catalogue = load_catalogue(folder / "catalogue.toml")
    edit(folder, 'digit_2 = "to"', 'digit_2 = "to to"')
    assert build(folder, tools=tools).built == len(catalogue.fragments["nb"])
    assert not any(line.problems for line in check(folder))


@pytest.mark.parametrize("damage", ["missing", "short", "manifest"])
def test_what_was_damaged_is_rebuilt(folder: Path, tools: Path, damage: str) -> None:
    sound = folder / "build" / "nb" / "welcome.sln16"
    whole = sound.read_bytes()
    match damage:
        case "missing":
            sound.unlink()
            assert "missing" in one(check(folder), "nb/welcome").problems[0]
        case "short":
            sound.write_bytes(whole[:1000])
        case "manifest":
            (folder / "build" / "manifest.json").write_text("{")
    report = build(folder, tools=tools)
    assert report.built == (KEYS if damage == "manifest" else 1)
    assert sound.read_bytes() == whole


def test_a_language_taken_out_leaves_nothing_behind(both: Path) -> None:
    text = (both / "catalogue.toml").read_text("utf-8")
    (both / "catalogue.toml").write_text(text[: text.index("[en]")], "utf-8")
    report = build(both)
    assert (report.built, report.kept, report.removed) == (0, KEYS, KEYS)
    assert [path for path in (both / "build" / "en").iterdir() if path.is_file()] == []


@pytest.mark.parametrize("suffix", ["wav", "mp3", "flac", "ogg"])
def test_a_recording_takes_the_place_of_the_draft(folder: Path, tools: Path, suffix: str) -> None:
    recording = record(folder / "nb" / "welcome.wav", (440, 1.5, 0.02))
    if suffix != "wav":
        target = recording.with_suffix(f".{suffix}")
        subprocess.run([tools / "ffmpeg", "-v", "error", "-i", recording, target], check=True, stdin=subprocess.DEVNULL)
        recording.unlink()
    assert build(folder, tools=tools).built == 1
    line = one(check(folder, production=True), "nb/welcome")
    assert (line.source.kind, line.problems) == ("recording", ())
    assert loudness(wide(folder, "nb/welcome"), 16_000) == pytest.approx(-20, abs=0.5)
    assert len(wide(folder, "nb/welcome")) / 16_000 == pytest.approx(1.5 + 0.27, abs=0.1)  # the silence before is gone


def test_recorded_digits_keep_their_differences(folder: Path, tools: Path) -> None:
    """One gain for the voice: the digit spoken 6 dB softer stays 6 dB softer, and short ones are not blown up."""
    for digit in range(10):
        record(folder / "nb" / f"digit_{digit}.wav", (500, 0.25, 0.05 if digit == 7 else 0.1), channels=1, rate=16_000)
    build(folder, tools=tools)
    loud, soft = (loudness(wide(folder, f"nb/digit_{digit}"), 16_000) for digit in (3, 7))
    assert loud - soft == pytest.approx(6.02, abs=0.3)
    together = np.concatenate([wide(folder, f"nb/digit_{digit}") for digit in range(10)])
    assert loudness(together, 16_000) == pytest.approx(-20, abs=0.5)
    assert not any(line.problems for line in check(folder))


def test_a_loud_recording_with_sharp_peaks_is_held_under_the_limit(folder: Path, tools: Path) -> None:
    record(folder / "nb" / "rescue.wav", (300, 1.0, 0.03), (900, 0.02, 0.99), (300, 1.0, 0.03))
    build(folder, tools=tools)
    assert true_peak(wide(folder, "nb/rescue")) <= -3
    assert true_peak(narrow(folder, "nb/rescue")) <= -3


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("nb/welcome.wav", b"", "could not be read as sound"),
        ("nb/welcome.mp3", b"this is no sound", "could not be read as sound"),
        ("nb/welcome.flac", b"\x00" * 5000, "could not be read as sound"),
        ("nb/velkommen.wav", b"", "no prompt with this key"),
    ],
)
def test_a_bad_recording_is_one_line_with_its_name(
    folder: Path, tools: Path, name: str, content: bytes, reason: str
) -> None:
    (folder / "nb").mkdir()
    (folder / name).write_bytes(content)
    with pytest.raises(PromptsError, match=reason) as refused:
        build(folder, tools=tools)
    assert str(refused.value).startswith(str(folder / name))
    assert "\n" not in str(refused.value)


def test_silent_long_and_double_recordings_are_refused(folder: Path, tools: Path) -> None:
    recording = record(folder / "nb" / "welcome.wav", (440, 1.0, 0.0))
    with pytest.raises(PromptsError, match="empty or silent"):
        build(folder, tools=tools)
    record(recording, (440, 61, 0.1), rate=8_000)
    with pytest.raises(PromptsError, match="longer than 60 s"):
        build(folder, tools=tools)
    shutil.copy(recording, recording.with_suffix(".mp3"))
    with pytest.raises(PromptsError, match="a second recording"):
        build(folder, tools=tools)


def test_a_build_broken_off_is_taken_up_again(folder: Path, tools: Path) -> None:
    """What is left of it passes for finished nowhere, and the old sound is whole."""
    edit(folder, "Du kan legge på nå.", "Nå kan du legge på.")
    (folder / "nb").mkdir()
    (folder / "nb" / "welcome.wav").write_bytes(b"broken")
    with pytest.raises(PromptsError):
        build(folder, tools=tools)
    (folder / "nb" / "welcome.wav").unlink()
    assert build(folder, tools=tools).built == 2
    assert not any(line.problems for line in check(folder))


def test_a_missing_program_is_named_with_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    edit(folder, "Du kan legge på nå.", "Nå kan du legge på.")
    with pytest.raises(ProgramMissing, match=r"espeak-ng is missing.*apt install espeak-ng"):
        build(folder)
    edit(folder, "Nå kan du legge på.", "Du kan legge på nå.")
    record(folder / "nb" / "may_hang_up.wav", (440, 1, 0.1)).rename(folder / "nb" / "may_hang_up.mp3")
    with pytest.raises(ProgramMissing, match=r"ffmpeg is missing.*apt install ffmpeg"):
        build(folder)
    (folder / "nb" / "may_hang_up.mp3").rename(folder / "nb" / "may_hang_up.wav")
    assert build(folder).built >= 1  # a WAV needs neither


def test_a_language_nobody_speaks_must_be_recorded(both: Path, tools: Path) -> None:
    edit(both, "[en]", "[de]")
    edit(both, "[en.fragments]", "[de.fragments]")
    with pytest.raises(PromptsError, match="no draft voice speaks 'de'"):
        build(both, tools=tools)


def test_the_command_line(folder: Path, tools: Path, tmp_path: Path) -> None:
    run = CliRunner()
    where = ["--prompts-dir", str(folder)]
    checked = run.invoke(cli.app, ["check", *where])
    assert checked.exit_code == 0
    assert "welcome" in checked.stdout and "DRAFT" in checked.stdout and "0 with a problem" in checked.stdout
    production = run.invoke(cli.app, ["check", "--production", *where])
    assert production.exit_code == 1
    assert f"{KEYS - 1} with a problem" in production.stdout
    assert "0 built" in run.invoke(cli.app, ["build", "--tools", str(tools), *where]).stdout
    missing = run.invoke(cli.app, ["build", "--prompts-dir", str(tmp_path / "nowhere")])
    assert missing.exit_code == 1
    assert missing.stderr.count("\n") == 1 and "catalogue of prompts is missing" in missing.stderr


def test_a_clip_spoilt_after_the_build_is_found(folder: Path) -> None:
    loud = np.full(16_000, 0.0)
    loud[4000:12000] = np.sin(np.arange(8000) / 3)
    sound = folder / "build" / "nb" / "welcome.sln16"
    sound.write_bytes((loud * 32767).astype("<i2").tobytes())
    problems = one(check(folder), "nb/welcome").problems
    assert "peaks above -3 dBTP" in problems
    assert any("LU from -20 LUFS" in problem for problem in problems)
    sound.write_bytes(bytes(32_000))
    assert one(check(folder), "nb/welcome").problems == ("silent",)
    assert math.isinf(loudness(wide(folder, "nb/welcome"), 16_000))


def texts(folder: Path) -> tuple[str, dict[str, bytes]]:
    """The catalogue and the recordings of Bokmål."""
    recordings = {path.name: path.read_bytes() for path in sorted((folder / "nb").glob("*"))}
    return (folder / "catalogue.toml").read_text("utf-8"), recordings


def test_a_build_that_turned_out_bad_is_taken_back_and_forward_again(folder: Path, tools: Path) -> None:
    build(folder, tools=tools)
    good, first = texts(folder), narrow(folder, "nb/welcome")
    running = sets.in_use(folder)
    held = folder / "build" / "nb" / str(running) / "welcome.alaw"
    before = held.read_bytes()
    edit(folder, "Du kan legge på nå.", "Nå kan du legge på.")
    record(folder / "nb" / "welcome.wav", (500, 1.0, 0.2))
    report = build(folder, tools=tools)
    assert report.built == 2
    bad = texts(folder)
    assert held.read_bytes() == before  # a call that runs hears on what it began with
    assert not np.array_equal(narrow(folder, "nb/welcome"), first)
    used, left, aside = sets.rollback(folder)
    assert (used.id, aside) == (running, None) and left.id != running
    assert texts(folder) == good
    assert np.array_equal(narrow(folder, "nb/welcome"), first)
    assert build(folder).built == 0  # and nothing builds it away again
    assert sets.in_use(folder) == running
    edit(folder, "Du kan legge på nå.", "Legg på nå.")
    _, _, aside = sets.rollback(folder)
    assert texts(folder) == bad
    assert aside and "Legg på nå." in (aside / "catalogue.toml").read_text("utf-8")  # nobody's work is lost
    assert build(folder).built == 0


def test_without_an_earlier_build_there_is_nothing_to_take_back(folder: Path, tools: Path) -> None:
    build(folder, tools=tools)
    with pytest.raises(PromptsError, match="no earlier set"):
        sets.rollback(folder)
    run = CliRunner().invoke(cli.app, ["rollback", "--prompts-dir", str(folder)])
    assert run.exit_code == 1


def test_only_the_last_sets_are_kept(folder: Path, tools: Path) -> None:
    for text in ("Én.", "To.", "Tre.", "Fire."):
        catalogue = (folder / "catalogue.toml").read_text("utf-8")
        line = next(line for line in catalogue.splitlines() if line.startswith("may_hang_up"))
        edit(folder, line, f'may_hang_up = "{text}"')
        build(folder, tools=tools)
    kept = {each.id for each in sets.sets(folder)}
    assert len(kept) == sets.KEPT
    assert {path.name for path in (folder / "build" / "nb").iterdir() if path.is_dir()} == kept


def test_a_refused_build_leaves_a_note_and_callers_hear_on_what_they_heard(folder: Path, tools: Path) -> None:
    build(folder, tools=tools)
    before, running = stamps(folder), sets.in_use(folder)
    edit(folder, 'digit_7 = "sju"', 'digit_7 = ""')
    with pytest.raises(PromptsError):
        build(folder, tools=tools)
    note = folder / "build" / REFUSED
    assert note.read_text("utf-8").startswith("catalogue.toml:") and "digit_7 has no text" in note.read_text("utf-8")
    assert (stamps(folder), sets.in_use(folder)) == (before, running)
    edit(folder, 'digit_7 = ""', 'digit_7 = "sju"')
    build(folder, tools=tools)
    assert not note.exists()


def test_production_refuses_drafts_before_anything_is_built(folder: Path) -> None:
    before = stamps(folder)
    with pytest.raises(PromptsError, match="no recording of nb/"):
        build(folder, production=True)
    assert stamps(folder) == before


def test_listed_said_and_scripted(folder: Path, tools: Path, tmp_path: Path) -> None:
    record(folder / "nb" / "welcome.wav", (500, 1.0, 0.2))
    build(folder, tools=tools)
    where = ["--prompts-dir", str(folder)]

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli.app, [*arguments, *where])
        return done.exit_code, done.output

    code, told = run("list")
    assert code == 0
    assert any(line.split()[:3] == ["nb", "welcome", "recording"] for line in told.splitlines())
    assert told.splitlines()[-1].startswith(f"{KEYS} prompts, {KEYS - 2} of them drafts")
    code, told = run("list", "--drafts", "--language", "nb")
    assert "nb  welcome" not in told
    out = tmp_path / "promise.wav"
    code, told = run("say", "we_ring", "today_by", "oclock_15", "--out", str(out))
    assert (code, told.splitlines()[0]) == (0, "Vi ringer deg i dag innen klokken femten")
    with wave.open(str(out)) as file:
        assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
        assert file.getnframes() == sum(len(wide(folder, f"nb/{key}")) for key in ("we_ring", "today_by", "oclock_15"))
    csv = tmp_path / "script.csv"
    assert run("script", "--out", str(csv))[0] == 0
    rows = [line.split(";") for line in csv.read_text("utf-8-sig").splitlines()]
    assert rows[0] == ["language", "key", "file", "text", "kind", "draft_seconds"]
    scripted = {row[1]: row for row in rows[1:]}
    assert "welcome" not in scripted and "pause" not in scripted
    assert scripted["digit_7"][2:5] == ["prompts/nb/digit_7.wav", "sju", "fragment"]
    for arguments, reason in (
        (("say", "welcom"), "did you mean welcome?"),
        (("say", "welcome", "--language", "sv"), "there is no language sv"),
        (("list", "--language", "sv"), "there is no language sv"),
        (("say", "welcome", "--out", str(tmp_path / "no" / "such.wav")), "it can't be written"),
    ):
        code, told = run(*arguments)
        assert (code, reason in " ".join(told.split())) == (1, True), told
