"""The files of prompts/build and the recordings they are made from: how they are found, read and replaced."""

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

RATE = 16_000
"""Samples a second of the wide sound (.sln16), and of all work on it."""

RECORDING_SUFFIXES = (".wav", ".mp3", ".flac", ".ogg", ".m4a", ".aiff")
SUFFIXES = (".alaw", ".sln16")

Kind = Literal["recording", "draft", "silence", "tone"]
WORDLESS = ("silence", "tone")


@dataclass(frozen=True)
class Built:
    """A line of the manifest. `samples` counts those of the .sln16 file."""

    fingerprint: str
    kind: Kind
    samples: int


def read_manifest(output: Path) -> dict[str, Built]:
    """What the last build made; empty when there was none or its manifest is of no use."""
    try:
        document = json.loads((output / "manifest.json").read_text(encoding="utf-8"))
        return {name: Built(**entry) for name, entry in document["prompts"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def recording_files(folder: Path) -> list[Path]:
    """The recordings of one language, by name; none where the folder isn't there."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in RECORDING_SUFFIXES)


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file in one step: Asterisk may be playing the old one."""
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
