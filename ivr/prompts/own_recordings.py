"""Store, remove and restore the operators' recordings: prompts/<language>/<key>.wav.

The recording that another one replaces is stored in prompts/former/<language>/, one for each prompt, so that a change
can be undone. The next build plays what is stored here.
"""

import fcntl
import hashlib
import io
import os
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ivr.prompts.catalogue import PromptsError, load_catalogue
from ivr.prompts.examine import Judgement, judge, without_long_ends
from ivr.prompts.files import RECORDING_SUFFIXES, write_whole
from ivr.prompts.levels import Samples, to_pcm16
from ivr.prompts.voices import sound_of

FORMER: Final = "former"
LOCK: Final = ".lock"


class RecordingReplaced(PromptsError):
    """Someone else has changed the recording in the meantime."""

    def __init__(self) -> None:
        super().__init__("someone else has changed this recording: listen to it, and save yours again if it is better")


def make_folders(folder: Path) -> list[Path]:
    """Make the folders that recordings and builds are written to, with their locks, and return them.

    For a process that may write in them but not in `folder`. Raises PromptsError.
    """
    languages = load_catalogue(folder / "catalogue.toml").texts
    made = [folder / "build", folder / FORMER, *(folder / language for language in languages)]
    for each in (*made, *(folder / FORMER / language for language in languages)):
        each.mkdir(exist_ok=True)
    for each in made[:2]:
        (each / LOCK).touch()
    return made


def store(folder: Path, language: str, key: str, recording: Path, *, replaces: str | None = None) -> Judgement:
    """Judge a recording, and store it unless it is refused.

    `replaces` is the digest of the recording that it was made to replace, empty for none; None replaces any. Raises
    RecordingReplaced if it is another by now, RecordingUnusable for no sound, and PromptsError.
    """
    text = spoken_text(folder, language, key)
    samples, rate = sound_of(recording)
    judged = judge(samples, rate, text)
    if judged.refusals:
        return judged
    sound = _wav(without_long_ends(samples, rate), rate)
    with _changing(folder, language, key, replaces):
        _set_aside(folder, language, key)
        write_whole(folder / language / f"{key}.wav", sound)
    return judged


def remove(folder: Path, language: str, key: str, *, replaces: str | None = None) -> None:
    """Remove a recording, so that the draft voice is heard again. It can be restored.

    Raises RecordingReplaced, and PromptsError.
    """
    spoken_text(folder, language, key)
    with _changing(folder, language, key, replaces):
        if recording_of(folder, language, key) is None:
            raise PromptsError(f"{language}/{key} has no recording")
        _set_aside(folder, language, key)


def restore(folder: Path, language: str, key: str, *, replaces: str | None = None) -> None:
    """Exchange a recording with the former one. Repeat it to undo. Raises RecordingReplaced, and PromptsError."""
    spoken_text(folder, language, key)
    with _changing(folder, language, key, replaces):
        former = recording_of(folder / FORMER, language, key)
        if former is None:
            raise PromptsError(f"{language}/{key} has no former recording")
        sound, is_first = former.read_bytes(), recording_of(folder, language, key) is None
        _set_aside(folder, language, key)
        write_whole(folder / language / former.name, sound)
        if is_first:
            former.unlink()


def recording_of(folder: Path, language: str, key: str) -> Path | None:
    """Return the file of a recording, in whatever format."""
    files = (folder / language / f"{key}{suffix}" for suffix in RECORDING_SUFFIXES)
    return next((file for file in files if file.is_file()), None)


def digest_of(recording: Path | None) -> str:
    """Return the digest of a recording's file; empty without one."""
    return hashlib.sha256(recording.read_bytes()).hexdigest() if recording else ""


def spoken_text(folder: Path, language: str, key: str) -> str:
    """Return the text to be read. Raises PromptsError for a prompt that is not in the catalogue, or has no words."""
    catalogue = load_catalogue(folder / "catalogue.toml")
    if language not in catalogue.languages:
        raise PromptsError(f"there is no language {language}: the catalogue has {', '.join(catalogue.languages)}")
    text = catalogue.text(language, key) if key in catalogue.keys(language) else ""
    if not text:
        raise PromptsError(f"there is no prompt {key}")
    return text


@contextmanager
def _changing(folder: Path, language: str, key: str, replaces: str | None) -> Iterator[None]:
    """Let one process at a time change recordings, and only the one that it was to replace."""
    try:
        (folder / FORMER).mkdir(exist_ok=True)
        with (folder / FORMER / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if replaces is not None and digest_of(recording_of(folder, language, key)) != replaces:
                raise RecordingReplaced
            yield
    except OSError as error:
        raise PromptsError(f"{folder}: it can't be written: {error.strerror}") from None


def _set_aside(folder: Path, language: str, key: str) -> None:
    """Move the present recording to the former ones, in the place of the one that was there."""
    if (present := recording_of(folder, language, key)) is None:
        return
    old = recording_of(folder / FORMER, language, key)
    write_whole(folder / FORMER / language / present.name, present.read_bytes())
    if old is not None and old.name != present.name:
        old.unlink()
    os.unlink(present)


def _wav(samples: Samples, rate: int) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(to_pcm16(samples))
    return content.getvalue()
