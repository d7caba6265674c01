"""The operators' recordings: stored whole, replaced only by those who know what they replace, and undone."""

import json
import shutil
import subprocess
import sys
import wave
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from desk.paths import ROOT
from ivr.prompts import sets
from ivr.prompts.build import build
from ivr.prompts.catalogue import PromptsError, RecordingUnusable
from ivr.prompts.own_recordings import RecordingReplaced, digest_of, recording_of, remove, restore, store
from ivr.prompts.script import ScriptRow, rows
from tests.support.phone.prompts import record, wide


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """The catalogue alone: nothing is built."""
    folder = tmp_path / "texts"
    folder.mkdir()
    shutil.copy(ROOT / "prompts" / "catalogue.toml", folder)
    return folder


def take(tmp_path: Path, hertz: float = 440, seconds: float = 2.0, amplitude: float = 0.2) -> Path:
    return record(tmp_path / "takes" / f"{hertz}.wav", (hertz, seconds, amplitude), (hertz, 0.5, 0.0))


def heard(folder: Path, key: str = "welcome") -> str:
    return digest_of(recording_of(folder, "nb", key))


def row(folder: Path, key: str = "welcome") -> ScriptRow:
    (found,) = (each for each in rows(folder, language="nb") if each.key == key)
    return found


def test_recording_is_stored_as_one_channel_without_long_ends(texts: Path, tmp_path: Path) -> None:
    assert store(texts, "nb", "welcome", take(tmp_path), replaces="").refusals == ()
    with wave.open(str(texts / "nb" / "welcome.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 44_100)
        assert file.getnframes() / 44_100 == pytest.approx(2.4, abs=0.05)
    found = row(texts)
    assert (found.kind, found.recording, found.former, found.built) == ("recording", heard(texts), False, False)


def test_refused_recording_changes_nothing(texts: Path, tmp_path: Path) -> None:
    store(texts, "nb", "welcome", take(tmp_path))
    before = heard(texts)
    assert store(texts, "nb", "welcome", take(tmp_path, 500, amplitude=0.0)).refusals != ()
    assert (heard(texts), row(texts).former) == (before, False)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"this is no sound", "could not be read"), (b"RIFF\x00\x00\x00\x00WAVE", "could not be read")],
)
def test_file_that_is_no_sound_is_refused(texts: Path, tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "odd.wav"
    file.write_bytes(content)
    with pytest.raises(RecordingUnusable, match=reason):
        store(texts, "nb", "welcome", file)
    whole = take(tmp_path, seconds=21)
    with pytest.raises(RecordingUnusable, match="longer than 20 s"):
        store(texts, "nb", "welcome", whole)
    file.write_bytes(whole.read_bytes()[:100_000])
    with pytest.raises(RecordingUnusable, match="cut off"):
        store(texts, "nb", "welcome", file)
    assert not (texts / "nb").exists()


def test_later_of_two_readers_is_refused(texts: Path, tmp_path: Path) -> None:
    store(texts, "nb", "welcome", take(tmp_path), replaces="")
    first = heard(texts)
    with pytest.raises(RecordingReplaced):
        store(texts, "nb", "welcome", take(tmp_path, 500), replaces="")
    with pytest.raises(RecordingReplaced):
        remove(texts, "nb", "welcome", replaces="")
    assert heard(texts) == first
    store(texts, "nb", "welcome", take(tmp_path, 500), replaces=first)
    assert heard(texts) != first


def test_former_recording_is_restored_and_restored_again(texts: Path, tmp_path: Path) -> None:
    store(texts, "nb", "welcome", take(tmp_path))
    first = heard(texts)
    store(texts, "nb", "welcome", take(tmp_path, 500))
    second = heard(texts)
    for expected in (first, second):
        restore(texts, "nb", "welcome")
        assert (heard(texts), row(texts).former) == (expected, True)
    remove(texts, "nb", "welcome")
    assert (row(texts).kind, row(texts).former) == ("draft", True)
    restore(texts, "nb", "welcome")
    assert (heard(texts), row(texts).former) == (second, False)
    with pytest.raises(PromptsError, match="no former recording"):
        restore(texts, "nb", "welcome")


def test_recording_in_another_format_makes_room(texts: Path, tmp_path: Path) -> None:
    (texts / "nb").mkdir()
    (texts / "nb" / "welcome.mp3").write_bytes(b"an earlier one")
    store(texts, "nb", "welcome", take(tmp_path))
    assert [each.name for each in (texts / "nb").iterdir()] == ["welcome.wav"]
    restore(texts, "nb", "welcome")
    assert [each.name for each in (texts / "nb").iterdir()] == ["welcome.mp3"]


@pytest.mark.parametrize("key", ["velkommen", "pause", "key_tone", "../welcome"])
def test_only_prompts_with_words_have_recordings(texts: Path, tmp_path: Path, key: str) -> None:
    with pytest.raises(PromptsError, match="there is no prompt"):
        store(texts, "nb", key, take(tmp_path))


def test_command_judges_stores_and_reports_as_json(texts: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> dict[str, object]:
        command = [sys.executable, "-m", "innringing", "--language", "nb", "prompts", *arguments]
        done = subprocess.run(
            [*command, "--prompts-dir", str(texts), "--json"], capture_output=True, text=True, check=False, cwd=ROOT
        )
        return dict(json.loads(done.stdout))

    assert run("record", "welcome", str(take(tmp_path))) == {"done": True, "refusals": [], "advice": []}
    refused = run("record", "welcome", str(take(tmp_path, seconds=0.3)))
    assert "er opptaket kuttet, eller av en annen tekst?" in str(refused["refusals"])
    assert run("record", "welcome", str(take(tmp_path, 500)), "--replaces", "")["refusals"] == [
        "noen andre har endret dette opptaket: hør på det, og lagre ditt én gang til om det er bedre"
    ]
    assert run("unrecord", "welcome")["done"] is True
    assert run("restore", "welcome")["done"] is True


def test_built_prompt_is_the_recording(folder: Path, tools: Path, tmp_path: Path) -> None:
    store(folder, "nb", "welcome", take(tmp_path))
    assert build(folder, tools=tools).built == 1
    found = row(folder)
    assert (found.built, found.outdated) == (True, False)
    spectrum = np.abs(np.fft.rfft(wide(folder, "nb/welcome")))
    assert np.argmax(spectrum) * 16_000 / len(wide(folder, "nb/welcome")) == pytest.approx(440, abs=2)


def test_set_that_a_call_may_still_play_is_stored(folder: Path, tools: Path, tmp_path: Path) -> None:
    """Someone who records all afternoon has prompts built every minute."""
    listed = folder / "build" / sets.LIST
    for hertz in (300, 400, 500, 600, 700):
        store(folder, "nb", "welcome", take(tmp_path, hertz))
        build(folder, tools=tools)
    assert len(sets.sets(folder)) == 5
    copies = folder.glob(f"build/nb/*/{sets.RECORDINGS}/welcome.wav")
    assert len({each.stat().st_ino for each in copies}) == 5
    long_ago = (datetime.now(UTC) - 2 * sets.LONGEST_CALL).isoformat(timespec="seconds")
    known = json.loads(listed.read_text("utf-8"))
    listed.write_text(json.dumps([{**each, "built": long_ago} for each in known]), "utf-8")
    store(folder, "nb", "goodbye", take(tmp_path, 800))
    build(folder, tools=tools)
    kept = sets.sets(folder)
    assert len(kept) == sets.KEPT
    shared = [folder / "build" / "nb" / each.id / sets.RECORDINGS / "welcome.wav" for each in kept[:2]]
    assert shared[0].samefile(shared[1])
