"""Store every build as a prompt set, so that prompts do not change during a call and a build can be undone.

A set is the folder prompts/build/<language>/<id>/ with the sounds (as hard links) and their recordings (recordings/),
and the file prompts/build/set-<id>.json with the catalogue and the manifest. sets.json lists the sets, the current one
first.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from desk.files.state import FileRefusal
from ivr.prompts.catalogue import PromptsError
from ivr.prompts.files import RATE, SUFFIXES, read_manifest, recording_files, write_whole

KEPT: Final = 3
"""How many sets are stored at least: the one in use, the one before, and what a second rollback returns to."""
LONGEST_CALL: Final = timedelta(minutes=15)
"""A set that was in use within this time is stored too: a call may still play it, however often prompts are built."""

LIST: Final = "sets.json"
REFUSED: Final = "refused.txt"
"""The error of the last build, read by the api's /readyz too. Deleted when a build succeeds."""
RECORDINGS: Final = "recordings"
SET_ASIDE: Final = "set-aside"


@dataclass(frozen=True)
class PromptSet:
    """One build. `built` is its time, ISO 8601 in UTC. `drafts` counts prompts with a draft voice."""

    id: str
    built: str
    prompts: int
    drafts: int


def sets(folder: Path) -> list[PromptSet]:
    """List the stored sets, the current one first. Empty before the first build. `folder` has catalogue.toml."""
    try:
        entries = json.loads((folder / "build" / LIST).read_text("utf-8"))
        return [PromptSet(**entry) for entry in entries]
    except (OSError, ValueError, TypeError):
        return []


def refusal_of(folder: Path) -> FileRefusal | None:
    """Return why and when the last build was refused; None if it was not. `folder` has catalogue.toml."""
    note = folder / "build" / REFUSED
    try:
        at = datetime.fromtimestamp(note.stat().st_mtime, UTC)
        return FileRefusal(at, None, note.read_text("utf-8").strip())
    except (OSError, UnicodeError):
        return None


def in_use(folder: Path) -> str | None:
    """Return the id of the set for new calls. None before the first build."""
    found = sets(folder)
    return found[0].id if found else None


def lengths(folder: Path) -> dict[str, float]:
    """Return the seconds of each prompt of the last build, by language and key («nb/welcome»)."""
    return {name: built.samples / RATE for name, built in read_manifest(folder / "build").items()}


def keep(folder: Path) -> PromptSet:
    """Store the current content of prompts/build as a set and use it for new calls. Idempotent."""
    build = folder / "build"
    manifest = read_manifest(build)
    languages = sorted({name.partition("/")[0] for name in manifest})
    known = sets(folder)
    identity = _identity(folder, languages)
    if known and known[0].id == identity and all((build / language / identity).is_dir() for language in languages):
        return known[0]
    for language in languages:
        keys = [name.partition("/")[2] for name in manifest if name.startswith(f"{language}/")]
        _link_set(folder, language, identity, keys)
    catalogue = (folder / "catalogue.toml").read_text("utf-8-sig")
    content = {"catalogue": catalogue, "prompts": {name: asdict(built) for name, built in manifest.items()}}
    write_whole(build / f"set-{identity}.json", json.dumps(content).encode())
    now = datetime.now(UTC).isoformat(timespec="seconds")
    drafts = sum(built.kind == "draft" for built in manifest.values())
    newest = PromptSet(identity, now, len(manifest), drafts)
    _use(build, [newest, *(each for each in known if each.id != identity)])
    return newest


def rollback(folder: Path) -> tuple[PromptSet, PromptSet, Path | None]:
    """Go back to the previous set: sounds, recordings and catalogue. A second rollback undoes the first.

    Returns the set now in use, the set left behind, and the folder with texts and recordings that were changed since
    the last build, if any. Raises PromptsError where there is no previous set.
    """
    build, known = folder / "build", sets(folder)
    if len(known) < 2:
        raise PromptsError("there is no previous set: the first build is in use")
    left, back, *rest = known
    try:
        content = json.loads((build / f"set-{back.id}.json").read_text("utf-8"))
        names: list[str] = list(content["prompts"])
        catalogue: str = content["catalogue"]
    except (OSError, ValueError, KeyError, TypeError):
        raise PromptsError(f"{build}/set-{back.id}.json can't be read: the previous set is lost") from None
    languages = sorted({name.partition("/")[0] for name in names})
    if lost := [language for language in languages if not (build / language / back.id).is_dir()]:
        raise PromptsError(f"{build}/{lost[0]}/{back.id} is missing: the previous set is lost")
    aside = _set_aside(folder, left.id)
    write_whole(folder / "catalogue.toml", catalogue.encode())
    for language in languages:
        _restore_recordings(folder, language, back.id)
    for name in names:
        language, _, key = name.partition("/")
        for suffix in SUFFIXES:
            _replace_by_link(build / language / back.id / f"{key}{suffix}", build / f"{name}{suffix}")
    manifest = json.dumps({"prompts": content["prompts"]}, indent=1)
    write_whole(build / "manifest.json", manifest.encode())
    _use(build, [back, left, *rest])
    return back, left, aside


def _identity(folder: Path, languages: Iterable[str]) -> str:
    digest = hashlib.sha256((folder / "catalogue.toml").read_bytes())
    prompts = {name: built.fingerprint for name, built in sorted(read_manifest(folder / "build").items())}
    digest.update(json.dumps(prompts).encode())
    for language in languages:
        for path in recording_files(folder / language):
            digest.update(f"{language}/{path.name}".encode())
    return digest.hexdigest()[:12]


def _link_set(folder: Path, language: str, identity: str, keys: Iterable[str]) -> None:
    """Build the set under a hidden name and rename it, so that no call uses an incomplete set."""
    home = folder / "build" / language
    making, made = home / f".{identity}", home / identity
    shutil.rmtree(making, ignore_errors=True)
    (making / RECORDINGS).mkdir(parents=True)
    for key in keys:
        for suffix in SUFFIXES:
            _link(home / f"{key}{suffix}", making / f"{key}{suffix}")
    before = home / (in_use(folder) or identity) / RECORDINGS
    for recording in recording_files(folder / language):
        same = before / recording.name
        if _is_copy(same, recording):
            _link(same, making / RECORDINGS / recording.name)
        else:
            shutil.copy2(recording, making / RECORDINGS)
    shutil.rmtree(made, ignore_errors=True)
    making.rename(made)


def _is_copy(copy: Path, original: Path) -> bool:
    """Whether a set has a copy of this recording as it is now. Sets may share a copy: no one changes it."""
    try:
        return copy.read_bytes() == original.read_bytes()
    except OSError:
        return False


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # the file system has no hard links
        shutil.copy2(source, target)


def _replace_by_link(source: Path, target: Path) -> None:
    passing = target.with_name(f".{target.name}")
    passing.unlink(missing_ok=True)
    _link(source, passing)
    passing.replace(target)


def _use(build: Path, known: list[PromptSet]) -> None:
    """Write the list of sets, the current one first, and delete the oldest that no call can play any more."""
    since = (datetime.now(UTC) - LONGEST_CALL).isoformat(timespec="seconds")
    replaced = [known[0].built, *(newer.built for newer in known)]
    count = next((n for n in range(KEPT, len(known)) if replaced[n] < since), len(known))
    kept, old = known[:count], known[count:]
    write_whole(build / LIST, json.dumps([asdict(each) for each in kept], indent=1).encode())
    for each in old:
        (build / f"set-{each.id}.json").unlink(missing_ok=True)
        for path in build.glob(f"*/{each.id}"):
            shutil.rmtree(path, ignore_errors=True)


def _set_aside(folder: Path, current: str) -> Path | None:
    """Copy texts and recordings that are in no set to a folder, so that no work is lost."""
    languages = sorted(path.parent.name for path in (folder / "build").glob(f"*/{current}"))
    saved = folder / "build" / f"set-{current}.json"
    try:
        same_text = json.loads(saved.read_text("utf-8"))["catalogue"] == (folder / "catalogue.toml").read_text(
            "utf-8-sig"
        )
    except (OSError, ValueError, KeyError, TypeError):
        same_text = False
    if same_text and all(_same_recordings(folder, language, current) for language in languages):
        return None
    aside = folder / SET_ASIDE / datetime.now(UTC).strftime("%Y-%m-%dT%H%M%S")
    aside.mkdir(parents=True)
    if (folder / "catalogue.toml").exists():
        shutil.copy2(folder / "catalogue.toml", aside)
    for language in languages:
        for path in recording_files(folder / language):
            (aside / language).mkdir(exist_ok=True)
            shutil.copy2(path, aside / language)
    return aside


def _same_recordings(folder: Path, language: str, identity: str) -> bool:
    kept = recording_files(folder / "build" / language / identity / RECORDINGS)
    now = recording_files(folder / language)
    return [(path.name, path.read_bytes()) for path in kept] == [(path.name, path.read_bytes()) for path in now]


def _restore_recordings(folder: Path, language: str, identity: str) -> None:
    kept = recording_files(folder / "build" / language / identity / RECORDINGS)
    for path in recording_files(folder / language):
        if path.name not in {each.name for each in kept}:
            path.unlink()
    for path in kept:
        write_whole(folder / language / path.name, path.read_bytes())
