"""Prompts for people: a list, a script for the voice talent, and playback of one prompt."""

import csv
import io
import shutil
import subprocess
import sys
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

from ivr.prompts.build import Source, find_sources, is_outdated
from ivr.prompts.catalogue import Catalogue, PromptsError, load_catalogue
from ivr.prompts.files import RATE, Kind, ManifestEntry, read_manifest, write_whole
from ivr.prompts.own_recordings import FORMER, recording_of
from ivr.prompts.places import place_of

COLUMNS = ("language", "key", "file", "text", "kind", "draft_seconds")
PLAYERS = (("aplay", "-q"), ("play", "-q"), ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error"))
LONGEST_PLAYING = 120.0


@dataclass(frozen=True)
class ScriptRow:
    """One prompt of the script. `seconds` is its length, None before the first build."""

    language: str
    key: str
    kind: Kind
    fragment: bool
    seconds: float | None
    text: str
    outdated: bool = False
    """The text was changed after it was recorded."""
    place: str = ""
    """Where it is heard (ivr/prompts/places.py)."""
    recording: str = ""
    """The digest of the recording; empty without one."""
    recorded: str = ""
    """When the recording was made, ISO 8601 in UTC."""
    former: bool = False
    """Whether a former recording can be restored."""
    built: bool = False
    """Whether callers hear this text or recording already."""


def rows(folder: Path, *, language: str | None = None, drafts: bool = False) -> list[ScriptRow]:
    """List the prompts of one or all languages; with `drafts` only those to be recorded. Raises PromptsError."""
    catalogue = load_catalogue(folder / "catalogue.toml")
    if language is not None:
        _known_language(catalogue, language)
    manifest = read_manifest(folder / "build")
    return [
        _row(folder, source, manifest.get(source.name))
        for source in find_sources(folder, catalogue)
        if language in (None, source.language)
        if not drafts or source.kind == "draft" or is_outdated(source, manifest.get(source.name))
    ]


def _row(folder: Path, source: Source, built: ManifestEntry | None) -> ScriptRow:
    return ScriptRow(
        source.language,
        source.key,
        source.kind,
        source.fragment,
        built.samples / RATE if built else None,
        source.text,
        is_outdated(source, built),
        place_of(source.key),
        source.recording_digest,
        _changed_at(source.recording) if source.recording else "",
        recording_of(folder / FORMER, source.language, source.key) is not None,
        built is not None and built.fingerprint == source.fingerprint,
    )


def _changed_at(file: Path) -> str:
    return datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat(timespec="seconds")


def write_csv(rows: Sequence[ScriptRow], out: Path | None) -> None:
    """Write the script as CSV, to standard output if `out` is None. Columns are separated by semicolons, as in Norway.

    Fragments are marked, since they must be read like the middle of a sentence, without a falling tone at the end.
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        seconds = "" if row.seconds is None else f"{row.seconds:.1f}".replace(".", ",")
        kind = "fragment" if row.fragment else "sentence"
        writer.writerow((row.language, row.key, f"prompts/{row.language}/{row.key}.wav", row.text, kind, seconds))
    if out is None:
        sys.stdout.write(text.getvalue().replace("\r\n", "\n"))
        return
    try:
        write_whole(out, text.getvalue().encode("utf-8-sig"))  # spreadsheets detect UTF-8 by its byte order mark
    except OSError as error:
        raise PromptsError(f"{out}: it can't be written: {error.strerror}") from None


def say(folder: Path, language: str, keys: Sequence[str], out: Path) -> tuple[str, Path, float]:
    """Write the built prompts, one after another, to the WAV file `out`. Return their text, the file and seconds."""
    catalogue = load_catalogue(folder / "catalogue.toml")
    _known_language(catalogue, language)
    sound, words = b"", []
    for key in keys:
        if key not in catalogue.keys(language):
            near = get_close_matches(key, catalogue.keys(language), n=1)
            raise PromptsError(f"there is no prompt {key}" + (f": did you mean {near[0]}?" if near else ""))
        try:
            sound += (folder / "build" / language / f"{key}.sln16").read_bytes()
        except OSError:
            raise PromptsError(f"{language}/{key} is not built yet: run innringing prompts build") from None
        words.append(catalogue.text(language, key))
    try:
        with out.open("wb") as raw, wave.open(raw, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(sound)
    except OSError as error:
        raise PromptsError(f"{out}: it can't be written: {error.strerror}") from None
    return " ".join(word for word in words if word), out, len(sound) / 2 / RATE


def play(file: Path) -> None:
    """Play a WAV with the first player that is installed. Raises PromptsError."""
    for program, *options in PLAYERS:
        if found := shutil.which(program):
            try:
                subprocess.run([found, *options, str(file)], check=True, timeout=LONGEST_PLAYING)
            except (OSError, subprocess.SubprocessError):
                raise PromptsError(f"{program} could not play {file}") from None
            return
    raise PromptsError(f"no player is installed (aplay, play or ffplay): open {file} yourself")


def _known_language(catalogue: Catalogue, language: str) -> None:
    if language not in catalogue.languages:
        raise PromptsError(f"there is no language {language}: the catalogue has {', '.join(catalogue.languages)}")
