"""Recordings of a person: in any format, at their level, or refused with one line each."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ivr.prompts.build import build
from ivr.prompts.catalogue import PromptsError
from ivr.prompts.check import check
from ivr.prompts.levels import loudness, true_peak
from tests.support.phone.prompts import narrow, one, record, wide


@pytest.mark.parametrize("suffix", ["wav", "mp3", "flac", "ogg"])
def test_recording_replaces_the_draft(folder: Path, tools: Path, suffix: str) -> None:
    recording = record(folder / "nb" / "welcome.wav", (440, 1.5, 0.02))
    if suffix != "wav":
        target = recording.with_suffix(f".{suffix}")
        subprocess.run([tools / "ffmpeg", "-v", "error", "-i", recording, target], check=True, stdin=subprocess.DEVNULL)
        recording.unlink()
    assert build(folder, tools=tools).built == 1
    line = one(check(folder, production=True), "nb/welcome")
    assert (line.source.kind, line.problems) == ("recording", ())
    assert loudness(wide(folder, "nb/welcome"), 16_000) == pytest.approx(-20, abs=0.5)
    assert len(wide(folder, "nb/welcome")) / 16_000 == pytest.approx(1.5 + 0.27, abs=0.1)  # the leading silence is gone


def test_ffmpeg_gets_none_of_the_services_variables(
    folder: Path, tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INNRINGING_IDENTITY_KEY", "not-for-ffmpeg")
    recording = record(folder / "nb" / "welcome.wav", (440, 1.5, 0.02))
    subprocess.run([tools / "ffmpeg", "-v", "error", "-i", recording, recording.with_suffix(".mp3")], check=True)
    recording.unlink()
    spying, seen = tmp_path / "tools", tmp_path / "seen"
    spying.mkdir()
    (spying / "espeak-ng").symlink_to(tools / "espeak-ng")
    (spying / "ffmpeg").write_text(f"#!/bin/sh\nenv > '{seen}'\nexec '{tools}/ffmpeg' \"$@\"\n")
    (spying / "ffmpeg").chmod(0o755)
    assert build(folder, tools=spying).built == 1
    assert "PATH=" in seen.read_text()
    assert "INNRINGING" not in seen.read_text()


def test_recorded_digits_keep_their_differences(folder: Path, tools: Path) -> None:
    """One gain for the voice: a digit spoken 6 dB softer stays 6 dB softer, and short ones are not amplified."""
    for digit in range(10):
        record(folder / "nb" / f"digit_{digit}.wav", (500, 0.25, 0.05 if digit == 7 else 0.1), channels=1, rate=16_000)
    build(folder, tools=tools)
    loud, soft = (loudness(wide(folder, f"nb/digit_{digit}"), 16_000) for digit in (3, 7))
    assert loud - soft == pytest.approx(6.02, abs=0.3)
    together = np.concatenate([wide(folder, f"nb/digit_{digit}") for digit in range(10)])
    assert loudness(together, 16_000) == pytest.approx(-20, abs=0.5)
    assert not any(line.problems for line in check(folder))


def test_loud_recording_with_sharp_peaks_stays_under_the_limit(folder: Path, tools: Path) -> None:
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
def test_bad_recording_is_reported_in_one_line_with_its_name(
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
    record(recording, (440, 21, 0.1), rate=8_000)
    with pytest.raises(PromptsError, match="longer than 20 s"):
        build(folder, tools=tools)
    shutil.copy(recording, recording.with_suffix(".mp3"))
    with pytest.raises(PromptsError, match="a second recording"):
        build(folder, tools=tools)
