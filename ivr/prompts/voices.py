"""The sources of prompts: a recording, or the draft voice of espeak-ng. Sound is mono float64 at RATE."""

import os
import shutil
import struct
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from desk.settings.child_environment import child_environment
from ivr.prompts.catalogue import ProgramMissing, PromptsError, RecordingUnusable
from ivr.prompts.files import RATE
from ivr.prompts.levels import Samples, resampled, sounding

LONGEST_RECORDING = 20.0
"""Seconds. Asterisk extends a call's time limit only between playbacks, so a longer prompt could trigger the rescue."""

DRAFT_VOICES = {"nb": "nb", "nn": "nb", "en": "en-gb"}
WORDS_A_MINUTE = 150
SLOW_WORDS_A_MINUTE = 120
CONVERTED_RATE = 48_000
"""Hertz: the rate to which ffmpeg converts, above that of any line."""
_TIME_LIMIT = 60.0
_NO_TRUE_SIZE = 0x7FFFFF00


@contextmanager
def programs_from(tools: Path | None) -> Iterator[None]:
    """Look for espeak-ng and ffmpeg in `tools` first."""
    before = os.environ.get("PATH", "")
    if tools is not None:
        os.environ["PATH"] = f"{tools}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


def draft_pace(key: str) -> int:
    """Return the words per minute. Prompts that repeat a question are slower."""
    return SLOW_WORDS_A_MINUTE if key.endswith("_slow") else WORDS_A_MINUTE


def draft(text: str, *, language: str, pace: int) -> Samples:
    """Let espeak-ng say the text. Raises PromptsError when espeak-ng is missing, fails or lacks the language."""
    voice = DRAFT_VOICES.get(language)
    if voice is None:
        raise PromptsError(f"there is no draft voice for '{language}': record its prompts")
    program = shutil.which("espeak-ng")
    if program is None:
        raise ProgramMissing("espeak-ng is missing; prompts without a recording need it: apt install espeak-ng")
    try:
        done = subprocess.run(
            [program, "-v", voice, "-s", str(pace), "-b", "1", "--stdin", "--stdout"],
            input=text.encode(),
            capture_output=True,
            timeout=_TIME_LIMIT,
            check=False,
            env=child_environment(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PromptsError(f"espeak-ng did not run: {error}") from None
    # The header of a WAV on standard output has no real sizes: skip its 44 bytes and read samples to the end.
    if done.returncode or len(done.stdout) <= 44 or done.stdout[:4] != b"RIFF":
        reason = done.stderr.decode(errors="replace").strip().splitlines() or ["no sound came out"]
        raise PromptsError(f"espeak-ng could not speak: {reason[-1]}")
    (rate,) = struct.unpack_from("<I", done.stdout, 24)
    sound = _pydub().AudioSegment(data=_even(done.stdout[44:]), sample_width=2, frame_rate=rate, channels=1)
    return resampled(_one_channel(sound), rate, RATE)


def recorded(path: Path) -> Samples:
    """Read a recording at RATE. Raises RecordingUnusable, and ProgramMissing as `sound_of` does."""
    sound, rate = sound_of(path)
    samples = resampled(sound, rate, RATE)
    if sounding(samples, RATE) == (0, 0):
        raise RecordingUnusable(path, "the recording is empty or silent")
    return samples


def sound_of(path: Path) -> tuple[Samples, int]:
    """Read a recording as one channel at its own rate. Formats other than WAV need ffmpeg.

    Raises RecordingUnusable, and ProgramMissing without ffmpeg.
    """
    is_wav = path.suffix.lower() == ".wav"
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None and not is_wav:
        raise ProgramMissing(f"{path}: ffmpeg is missing; this recording needs it: apt install ffmpeg")
    if _is_truncated(path):
        raise RecordingUnusable(path, "the recording is cut off: the file is shorter than its header says")
    try:
        sound = _of_wav(path) if is_wav else None  # a sound without samples counts as false
        if sound is None and ffmpeg:
            sound = _converted(ffmpeg, path)
    except (OSError, subprocess.TimeoutExpired):
        sound = None
    if sound is None:
        raise RecordingUnusable(path, "the recording could not be read as sound")
    if sound.duration_seconds > LONGEST_RECORDING:
        raise RecordingUnusable(path, f"the recording is longer than {LONGEST_RECORDING:g} s")
    return _one_channel(sound), sound.frame_rate


def _of_wav(path: Path) -> Any | None:
    """Read a WAV with pydub; None for a kind that it does not know, such as A-law."""
    pydub = _pydub()
    try:
        with path.open("rb") as file:  # pydub does not close files that it opens
            return pydub.AudioSegment(file)
    except (pydub.exceptions.PydubException, ValueError, KeyError, IndexError, EOFError, struct.error):
        return None


def _converted(ffmpeg: str, path: Path) -> Any | None:
    """Let ffmpeg read a recording, in a bare environment: pydub would pass on the service's keys. None if it can't."""
    wanted = ["-f", "s16le", "-ac", "1", "-ar", str(CONVERTED_RATE), "-t", f"{LONGEST_RECORDING + 1:g}"]
    done = subprocess.run(
        [ffmpeg, "-nostdin", "-v", "error", "-i", str(path), *wanted, "-"],
        capture_output=True,
        timeout=_TIME_LIMIT,
        check=False,
        env=child_environment(),
    )
    if done.returncode or not done.stdout:
        return None
    return _pydub().AudioSegment(data=_even(done.stdout), sample_width=2, frame_rate=CONVERTED_RATE, channels=1)


def _is_truncated(path: Path) -> bool:
    """Whether a WAV has less sound than its header says. Headers of piped files, without real sizes, are ignored."""
    try:
        data = path.read_bytes()
    except OSError:
        return False  # the caller reads it again and reports the error
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return False
    place = 12
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        if name == b"data":
            return bool(0 < size < _NO_TRUE_SIZE and place + 8 + size > len(data))
        place += 8 + size + size % 2
    return False


def _one_channel(sound: Any) -> Samples:
    """`sound` is a pydub AudioSegment."""
    mono = sound.set_channels(1)
    full_scale = float(1 << (8 * mono.sample_width - 1))
    return np.asarray(mono.get_array_of_samples(), dtype=np.float64) / full_scale


def _even(data: bytes) -> bytes:
    return data[: len(data) // 2 * 2]


def _pydub() -> Any:
    """Import pydub without its warnings: about audioop, its own regular expressions, and a missing ffmpeg."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pydub
        import pydub.exceptions
    return pydub
