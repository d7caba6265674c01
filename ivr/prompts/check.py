"""Check that every built prompt exists, is complete and has the right level."""

import hashlib
import json
import math
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from ivr.prompts.build import Source, find_sources, is_outdated
from ivr.prompts.catalogue import load_catalogue
from ivr.prompts.examine import odd_length
from ivr.prompts.files import RATE, SUFFIXES, WORDLESS, read_manifest, write_whole
from ivr.prompts.levels import (
    PEAK_DBTP,
    TARGET_LUFS,
    Levels,
    Samples,
    from_alaw,
    from_pcm16,
    loudness,
    measure,
    true_peak,
)

TOLERANCE_LU = 1.0
DRAFT = "a draft voice, not for patients: record it"
"""The problem of a prompt that no person has recorded, in production."""
LONGEST_END_SECONDS = 0.4
"""With more silence at an end, the caller waits or thinks that the line is dead."""


@dataclass(frozen=True)
class BuiltSound:
    """A prompt as built, at 16 and at 8 kHz. `content` identifies the two files."""

    wide: Samples
    narrow: Samples
    content: str


class LevelsMeasured:
    """What was measured before, by the content of the sounds, in a file: measuring all again takes five seconds."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._before: dict[str, list[float]] = {}
        with suppress(OSError, ValueError):
            self._before = json.loads(file.read_text("utf-8"))
        self._now: dict[str, list[float]] = {}

    def of(self, sound: BuiltSound) -> tuple[Levels, float]:
        """Return the levels at 16 kHz, and the true peak at 8 kHz."""
        try:
            *levels, narrow_peak = self._before[sound.content]
            found = Levels(*levels), narrow_peak
        except (KeyError, TypeError, ValueError):
            found = measure(sound.wide, RATE), true_peak(sound.narrow)
        self._now[sound.content] = [*astuple(found[0]), found[1]]
        return found

    def store(self) -> None:
        """Write the file if it would change. Without the right to do so, the next check measures again."""
        if self._now != self._before:
            with suppress(OSError):
                write_whole(self._file, json.dumps(self._now).encode())


@dataclass(frozen=True)
class PromptCheck:
    """The result for one prompt. `problems` is empty when the prompt may be played."""

    source: Source
    levels: Levels | None
    problems: tuple[str, ...]


def check(folder: Path, *, production: bool = False) -> list[PromptCheck]:
    """Check every prompt of the catalogue in `folder`. In production a draft voice is a problem too.

    Raises PromptsError when the catalogue or the recordings cannot be used at all.
    """
    sources = find_sources(folder, load_catalogue(folder / "catalogue.toml"))
    output = folder / "build"
    manifest = read_manifest(output)
    sounds = {source.name: _read(output, source) for source in sources}
    uneven = _uneven_voices(sources, sounds)
    measured = LevelsMeasured(output / "levels.json")
    lines = []
    for source in sources:
        found = sounds[source.name]
        if found is None:
            lines.append(PromptCheck(source, None, ("missing: run innringing prompts build",)))
            continue
        levels, narrow_peak = measured.of(found)
        problems = [] if source.kind in WORDLESS else _problems(source, levels, narrow_peak, uneven)
        built = manifest.get(source.name)
        if built is None or built.fingerprint != source.fingerprint:
            problems.append("changed since it was built: run innringing prompts build")
        if is_outdated(source, built):
            problems.append("the text was changed after it was recorded: record it again")
        if source.kind == "recording" and (odd := odd_length(source.text, len(found.wide) / RATE)):
            problems.append(odd)
        if production and source.kind == "draft":
            problems.append(DRAFT)
        lines.append(PromptCheck(source, levels, tuple(problems)))
    measured.store()
    return lines


def _read(output: Path, source: Source) -> BuiltSound | None:
    """Read the 16 kHz and the 8 kHz sound. None when a file is missing or empty."""
    try:
        alaw, wide = ((output / f"{source.name}{suffix}").read_bytes() for suffix in SUFFIXES)
    except OSError:
        return None
    content = hashlib.sha256(len(alaw).to_bytes(8, "big") + alaw + wide).hexdigest()
    sound = BuiltSound(from_pcm16(wide), from_alaw(alaw), content)
    return sound if len(sound.wide) and len(sound.narrow) else None


def _problems(source: Source, levels: Levels, narrow_peak: float, uneven: frozenset[tuple[str, str]]) -> list[str]:
    problems = []
    if math.isinf(levels.lufs):
        return ["silent"]
    if max(levels.peak_dbtp, narrow_peak) > PEAK_DBTP:
        problems.append(f"peaks above {PEAK_DBTP:g} dBTP")
    if not source.fragment and abs(levels.lufs - TARGET_LUFS) > TOLERANCE_LU:
        problems.append(f"more than {TOLERANCE_LU:g} LU from {TARGET_LUFS:g} LUFS")
    if source.fragment and (source.language, source.kind) in uneven:
        problems.append(f"the fragments of this voice are not at {TARGET_LUFS:g} LUFS")
    if max(levels.lead, levels.tail) > LONGEST_END_SECONDS:
        problems.append("too much silence at an end")
    return problems


def _uneven_voices(sources: list[Source], sounds: dict[str, BuiltSound | None]) -> frozenset[tuple[str, str]]:
    """Return the voices whose fragments, measured together, are off the target."""
    heard: dict[tuple[str, str], list[Samples]] = {}
    for source in sources:
        if source.fragment and (sound := sounds[source.name]):
            heard.setdefault((source.language, source.kind), []).append(sound.wide)
    levels = {voice: loudness(np.concatenate(parts), RATE) for voice, parts in heard.items()}
    return frozenset(voice for voice, level in levels.items() if abs(level - TARGET_LUFS) > TOLERANCE_LU)
