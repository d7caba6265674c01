"""Build the sound files for Asterisk: prompts/build/<language>/<key>.alaw (8 kHz) and .sln16 (16 kHz).

Each sentence is normalised to −20 LUFS. The fragments of one language and voice share one gain. Prompts whose text,
recording, voice and recipe have not changed since the last build are not rebuilt (see prompts/build/manifest.json).
"""

import fcntl
import hashlib
import json
import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from desk.departments.departments import Departments
from ivr.prompts import rules, sets, voices
from ivr.prompts.catalogue import Catalogue, ProgramMissing, PromptsError, catalogue_lines, load_catalogue
from ivr.prompts.files import RATE, SUFFIXES, WORDLESS, Kind, ManifestEntry, read_manifest, recording_files, write_whole
from ivr.prompts.levels import (
    TARGET_LUFS,
    Samples,
    gained,
    limited,
    loudness,
    resampled,
    soft_tone,
    to_alaw,
    to_pcm16,
    trimmed,
)

RECIPE = 1  # increase it when the same source gives a different sound
ALAW_RATE = 8_000
LEAD_SECONDS = 0.02
SENTENCE_TAIL_SECONDS = 0.25
FRAGMENT_TAIL_SECONDS = 0.04


@dataclass(frozen=True)
class Source:
    """The source of one prompt. `fingerprint` changes whenever the sound may change."""

    language: str
    key: str
    kind: Kind
    fragment: bool
    text: str
    recording: Path | None
    seconds: float
    fingerprint: str
    recording_digest: str = ""

    @property
    def name(self) -> str:
        return f"{self.language}/{self.key}"


@dataclass(frozen=True)
class BuildReport:
    """How many prompts were built, unchanged and removed, and how many have a draft voice."""

    built: int
    kept: int
    removed: int
    drafts: int


def build(
    folder: Path,
    *,
    tools: Path | None = None,
    on_step: Callable[[int, int], None] | None = None,
    production: bool = False,
    departments: Departments | None = None,
) -> BuildReport:
    """Build the prompts of `folder`, which has catalogue.toml. `on_step` gets the number of finished and of all steps.

    `tools` is a folder with espeak-ng, ffmpeg and ffprobe where they are not on PATH. They are needed only to build
    changed prompts. In production drafts are refused. Texts that contradict `departments`, or that can't be read aloud,
    are refused. Raises PromptsError, and then the last build stays in use.
    """
    note = folder / "build" / sets.REFUSED
    try:
        refuse_texts(folder, departments or Departments([]))
        with _alone(folder / "build"):
            report = _build_set(folder, tools, on_step or (lambda done, of: None), production)
    except ProgramMissing:
        raise
    except PromptsError as refused:
        with suppress(OSError):
            write_whole(note, str(refused).replace(f"{folder}/", "").encode())
        raise
    note.unlink(missing_ok=True)
    return report


@contextmanager
def _alone(output: Path) -> Iterator[None]:
    """Wait until no other process builds: the console may build while an operator does."""
    output.mkdir(parents=True, exist_ok=True)
    with (output / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build_set(folder: Path, tools: Path | None, on_step: Callable[[int, int], None], production: bool) -> BuildReport:
    sources = find_sources(folder, load_catalogue(folder / "catalogue.toml"))
    if production:
        _refuse_drafts(sources)
    output = folder / "build"
    manifest = read_manifest(output)
    kept = {s.name: manifest[s.name] for s in sources if _is_current(output, s, manifest.get(s.name))}
    pending = [source for source in sources if source.name not in kept]
    if pending:
        _write_manifest(output, kept)  # an aborted build must not leave a new sound with an old fingerprint
        with voices.programs_from(tools):
            kept |= _build(output, pending, on_step, manifest)
    removed = _remove_stale(output, {source.name for source in sources})
    if pending or kept.keys() != manifest.keys():
        _write_manifest(output, kept)
    sets.keep(folder)
    drafts = sum(source.kind == "draft" for source in sources)
    return BuildReport(built=len(pending), kept=len(sources) - len(pending), removed=removed, drafts=drafts)


def refuse_texts(folder: Path, departments: Departments) -> None:
    """Raise PromptsError for the first text that `innringing check` refuses."""
    file = rules.texts_file(folder)
    catalogue, lines = load_catalogue(file), catalogue_lines(file)
    found = rules.unspeakable(str(file), catalogue, lines)
    found += rules.contradictions(str(file), catalogue, lines, departments)
    if found:
        more = f" (and {len(found) - 1} more: innringing check shows all)" if len(found) > 1 else ""
        raise PromptsError(f"{found[0]}{more}")


def _refuse_drafts(sources: Iterable[Source]) -> None:
    if drafts := [source.name for source in sources if source.kind == "draft"]:
        more = f" and {len(drafts) - 3} more" if len(drafts) > 3 else ""
        names = f"{', '.join(drafts[:3])}{more}"
        raise PromptsError(f"no recording of {names}: innringing prompts script lists what must be recorded")


def find_sources(folder: Path, catalogue: Catalogue) -> list[Source]:
    """Return a source for each prompt of each language: its recording, or else the draft voice."""
    sources = []
    for language in catalogue.languages:
        recordings = _recordings(folder / language, catalogue.keys(language))
        for key in sorted(catalogue.keys(language)):
            sources.append(_source(catalogue, language, key, recordings.get(key)))
    return _bound_by_voice(sources)


def missing_recordings(folder: Path) -> list[str]:
    """Return prompts (`nb/welcome`) that the last build took from a recording which no longer exists."""
    built = read_manifest(folder / "build")
    languages = {name.partition("/")[0] for name in built}
    there = {f"{language}/{path.stem}" for language in languages for path in recording_files(folder / language)}
    return [name for name, each in sorted(built.items()) if each.kind == "recording" and name not in there]


def _recordings(folder: Path, keys: Iterable[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    known = set(keys)
    for path in recording_files(folder):
        if path.stem not in known:
            raise PromptsError(f"{path}: there is no prompt with this key in the catalogue")
        if path.stem in found:
            raise PromptsError(f"{path}: a second recording, in addition to {found[path.stem].name}: keep one")
        found[path.stem] = path
    return found


def _source(catalogue: Catalogue, language: str, key: str, recording: Path | None) -> Source:
    text, seconds = catalogue.text(language, key), catalogue.silences.get(key) or catalogue.tones.get(key, 0.0)
    kind: Kind = "recording" if recording else "draft"
    if seconds:
        kind = "tone" if key in catalogue.tones else "silence"
    parts: list[object] = [RECIPE, kind, seconds]
    recording_digest = ""
    if kind == "recording" and recording:
        recording_digest = hashlib.sha256(recording.read_bytes()).hexdigest()
        parts.append(recording_digest)
    elif kind == "draft":
        parts += [text, voices.DRAFT_VOICES.get(language), voices.draft_pace(key)]
    return Source(
        language=language,
        key=key,
        kind=kind,
        fragment=kind not in WORDLESS and catalogue.is_fragment(language, key),
        text=text,
        recording=recording,
        seconds=seconds,
        fingerprint=_digest(parts),
        recording_digest=recording_digest,
    )


def _bound_by_voice(sources: list[Source]) -> list[Source]:
    """Include all fragments of a voice in the fingerprint of each, since they share one gain."""
    whole = {voice: _digest([s.fingerprint for s in members]) for voice, members in _voices(sources).items()}
    return [
        Source(**{**vars(s), "fingerprint": _digest([s.fingerprint, whole[s.language, s.kind]])}) if s.fragment else s
        for s in sources
    ]


def _voices(sources: Iterable[Source]) -> Mapping[tuple[str, Kind], list[Source]]:
    members: dict[tuple[str, Kind], list[Source]] = defaultdict(list)
    for source in sources:
        if source.fragment:
            members[source.language, source.kind].append(source)
    return members


def _digest(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _is_current(output: Path, source: Source, built: ManifestEntry | None) -> bool:
    if built is None or built.fingerprint != source.fingerprint:
        return False
    alaw, wide = (output / f"{source.name}{suffix}" for suffix in SUFFIXES)
    try:
        return alaw.stat().st_size > 0 and wide.stat().st_size == 2 * built.samples
    except OSError:
        return False


def _build(
    output: Path, pending: list[Source], on_step: Callable[[int, int], None], before: Mapping[str, ManifestEntry]
) -> dict[str, ManifestEntry]:
    """Build in two rounds, since the shared gain of a voice needs all its sounds."""
    steps = 2 * len(pending)
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        try:
            raw: dict[str, Samples] = {}
            for source, samples in zip(pending, pool.map(_sound, pending), strict=True):
                raw[source.name] = samples
                on_step(len(raw), steps)
            gains = _gains(pending, raw)
            built: dict[str, ManifestEntry] = {}

            def finish(source: Source) -> int:
                return _write(output, source, raw[source.name], gains[source.name])

            for source, count in zip(pending, pool.map(finish, pending), strict=True):
                built[source.name] = _entry(source, count, before.get(source.name))
                on_step(len(pending) + len(built), steps)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return built


def _entry(source: Source, samples: int, before: ManifestEntry | None) -> ManifestEntry:
    recording, text = source.recording_digest, _digest(source.text) if source.recording else ""
    if before and recording and before.recording == recording:
        text = before.text  # the same file still says what it said then
    return ManifestEntry(source.fingerprint, source.kind, samples, recording, text)


def is_outdated(source: Source, built: ManifestEntry | None) -> bool:
    """Whether the text was changed after its recording was made, so that callers hear something else."""
    if built is None or not source.recording or built.recording != source.recording_digest:
        return False
    return built.text != _digest(source.text)


def _sound(source: Source) -> Samples:
    """Make the source's sound at RATE: trimmed, not yet normalised."""
    if source.kind == "silence":
        return np.zeros(round(source.seconds * RATE))
    if source.kind == "tone":
        return soft_tone(source.seconds, RATE)
    if source.recording:
        samples = voices.recorded(source.recording)
    else:
        samples = voices.draft(source.text, language=source.language, pace=voices.draft_pace(source.key))
    tail = FRAGMENT_TAIL_SECONDS if source.fragment else SENTENCE_TAIL_SECONDS
    return trimmed(samples, RATE, lead=LEAD_SECONDS, tail=tail)


def _gains(pending: list[Source], raw: Mapping[str, Samples]) -> dict[str, float]:
    """Return the gain in dB for each prompt: its own, or that of its voice."""
    gains = {
        source.name: 0.0 if source.kind in WORDLESS else _gain(raw[source.name], source.name)
        for source in pending
        if not source.fragment
    }
    for (language, kind), members in _voices(pending).items():
        together = np.concatenate([raw[member.name] for member in members])
        gain = _gain(together, f"{language} fragments ({kind})")
        gains |= {member.name: gain for member in members}
    return gains


def _gain(samples: Samples, name: str) -> float:
    level = loudness(samples, RATE)
    if math.isinf(level):
        raise PromptsError(f"{name}: too quiet to be heard")
    return TARGET_LUFS - level


def _write(output: Path, source: Source, samples: Samples, gain: float) -> int:
    """Normalise, limit and write both files. Return the number of samples at RATE."""
    levelled = gained(samples, gain)
    wide = limited(levelled, RATE)
    narrow = limited(resampled(levelled, RATE, ALAW_RATE), ALAW_RATE)
    write_whole(output / f"{source.name}.sln16", to_pcm16(wide))
    write_whole(output / f"{source.name}.alaw", to_alaw(narrow))
    return len(wide)


def _write_manifest(output: Path, built: Mapping[str, ManifestEntry]) -> None:
    prompts = {name: asdict(built[name]) for name in sorted(built)}
    text = json.dumps({"recipe": RECIPE, "prompts": prompts}, indent=1)
    write_whole(output / "manifest.json", text.encode())


def _remove_stale(output: Path, names: set[str]) -> int:
    """Delete sound files that belong to no prompt, and return how many prompts they were."""
    stale = [
        path
        for path in output.glob("*/*")
        if path.suffix in SUFFIXES and f"{path.parent.name}/{path.stem}" not in names
    ]
    for path in stale:
        path.unlink()
    return len({path.with_suffix("") for path in stale})
