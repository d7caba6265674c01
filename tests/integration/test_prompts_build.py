"""Prompts built with the real espeak-ng and ffmpeg: levels, rebuilding, recordings, and errors."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ivr.prompts.build import build
from ivr.prompts.catalogue import ProgramMissing, PromptsError, load_catalogue
from ivr.prompts.check import check
from ivr.prompts.levels import loudness, true_peak
from ops.commands import prompts as cli
from tests.support.phone.prompts import KEYS, edit, narrow, one, record, stamps, wide


def test_every_prompt_is_built_at_its_level(built: Path) -> None:
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
        if line.source.kind == "tone":
            assert 0.05 < len(wide_sound) / 16_000 <= 0.08  # shorter than the pause between two fast keys
            assert -25 < true_peak(wide_sound) < -18
            assert np.max(np.abs(wide_sound[[0, -1]])) < 0.001  # no click
            continue
        assert true_peak(wide_sound) <= -3
        assert true_peak(narrow_sound) <= -3
        assert line.levels and line.levels.lead <= 0.05 and line.levels.tail <= 0.3
        if not line.source.fragment:
            assert loudness(wide_sound, 16_000) == pytest.approx(-20, abs=1)


def test_opening_is_short_in_every_language(built: Path) -> None:
    for language in ("nb", "en"):
        opening = [wide(built, f"{language}/{key}") for key in ("welcome", "emergency", "ask_identity")]
        assert sum(map(len, opening)) / 16_000 <= 12


def test_retry_is_spoken_slower(built: Path) -> None:
    manifest = json.loads((built / "build" / "manifest.json").read_text())
    assert manifest["prompts"]["nb/ask_phone"]["kind"] == "draft"
    texts = {
        "nb/ask_phone_slow": "Tast telefonnummeret, ett siffer om gangen.",
        "nb/ask_phone": "Tast telefonnummeret vi skal ringe deg på.",
    }
    pace = {name: len(wide(built, name)) / len(text) for name, text in texts.items()}
    assert pace["nb/ask_phone_slow"] > 1.1 * pace["nb/ask_phone"]


def test_unchanged_prompts_are_not_rebuilt_and_need_no_program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_changed_fragment_relevels_its_whole_voice(folder: Path, tools: Path) -> None:
    catalogue = load_catalogue(folder / "catalogue.toml")
    edit(folder, 'digit_2 = "to"', 'digit_2 = "to to"')
    assert build(folder, tools=tools).built == len(catalogue.fragments["nb"])
    assert not any(line.problems for line in check(folder))


@pytest.mark.parametrize("damage", ["missing", "short", "manifest"])
def test_damaged_prompt_is_rebuilt(folder: Path, tools: Path, damage: str) -> None:
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


def test_removed_language_leaves_nothing_behind(both: Path) -> None:
    text = (both / "catalogue.toml").read_text("utf-8")
    (both / "catalogue.toml").write_text(text[: text.index("[en]")], "utf-8")
    report = build(both)
    assert (report.built, report.kept, report.removed) == (0, KEYS, KEYS)
    assert [path for path in (both / "build" / "en").iterdir() if path.is_file()] == []


def test_interrupted_build_is_resumed(folder: Path, tools: Path) -> None:
    """Its leftovers are never treated as finished, and the old sound is intact."""
    edit(folder, "Du kan legge på nå.", "Nå kan du legge på.")
    (folder / "nb").mkdir()
    (folder / "nb" / "welcome.wav").write_bytes(b"broken")
    with pytest.raises(PromptsError):
        build(folder, tools=tools)
    (folder / "nb" / "welcome.wav").unlink()
    assert build(folder, tools=tools).built == 2
    assert not any(line.problems for line in check(folder))


def test_missing_program_is_named_with_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_language_without_a_draft_voice_must_be_recorded(both: Path, tools: Path) -> None:
    for section in ("", ".fragments", ".departments.kirurgi", ".departments.hjerte"):
        edit(both, f"[en{section}]", f"[de{section}]")
    with pytest.raises(PromptsError, match="there is no draft voice for 'de'"):
        build(both, tools=tools)


def test_prompt_commands_check_and_build(folder: Path, tools: Path, tmp_path: Path) -> None:
    run = CliRunner()
    where = ["--prompts-dir", str(folder)]
    checked = run.invoke(cli.app, ["check", *where])
    assert checked.exit_code == 0
    assert "welcome" in checked.stdout and "DRAFT" in checked.stdout and "0 with a problem" in checked.stdout
    production = run.invoke(cli.app, ["check", "--production", *where])
    assert production.exit_code == 1
    assert f"{KEYS - 3} with a problem" in production.stdout
    assert "0 built" in run.invoke(cli.app, ["build", "--tools", str(tools), *where]).stdout
    missing = run.invoke(cli.app, ["build", "--prompts-dir", str(tmp_path / "nowhere")])
    assert missing.exit_code == 1
    assert missing.stderr.count("\n") == 1 and "catalogue of prompts is missing" in missing.stderr


def test_prompt_damaged_after_the_build_is_found(folder: Path) -> None:
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


def test_levels_measured_before_are_used_again_and_never_trusted_when_damaged(folder: Path) -> None:
    measured = folder / "build" / "levels.json"
    lines = check(folder)
    kept = measured.read_text("utf-8")
    assert check(folder) == lines and measured.read_text("utf-8") == kept
    for damaged in ("{", "[]", kept.replace("[", "[1, ")):
        measured.write_text(damaged, "utf-8")
        assert check(folder) == lines
    assert measured.read_text("utf-8") == kept
