"""The files in prompts/build and the recordings: find, read and replace them."""

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

RATE = 16_000
"""Samples per second of the wideband sound (.sln16), used in all processing."""

RECORDING_SUFFIXES = (".wav", ".mp3", ".flac", ".ogg", ".m4a", ".aiff")
SUFFIXES = (".alaw", ".sln16")

Kind = Literal["recording", "draft", "silence", "tone"]
WORDLESS = ("silence", "tone")


@dataclass(frozen=True)
class ManifestEntry:
    """A prompt in the manifest. `samples` is the length of the .sln16 file.

    Of a recording also a digest of its file, and of the text that the catalogue had when the file was new.
    """

    fingerprint: str
    kind: Kind
    samples: int
    recording: str = ""
    text: str = ""


def read_manifest(output: Path) -> dict[str, ManifestEntry]:
    """Read the manifest of the last build. Empty when it is missing or invalid."""
    try:
        document = json.loads((output / "manifest.json").read_text(encoding="utf-8"))
        return {name: ManifestEntry(**entry) for name, entry in document["prompts"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def recording_files(folder: Path) -> list[Path]:
    """List the recordings in a folder by name. Empty when the folder does not exist."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in RECORDING_SUFFIXES)


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file atomically: Asterisk may be playing the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
