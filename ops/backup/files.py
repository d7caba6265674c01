"""Files of a copy: written for the owner only, synced, and complete or absent."""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Final

from desk.paths import ROOT
from desk.settings.settings import Settings
from desk.spool.spool import DAMAGED

SPOOL: Final = "spool"
AUDIT_SPOOL: Final = "audit-spool"
OPERATORS: Final = "files"
KEYS: Final = "keys.env"
NOT_OPERATORS: Final = frozenset({"build", "__pycache__"})
"""Folders that are built from the operators' files."""


def spools(settings: Settings) -> Mapping[str, Path]:
    """Return the folder of each spool, by its name in a copy: callbacks, and rows of the audit."""
    return {SPOOL: settings.files.spool_folder, AUDIT_SPOOL: settings.audit.spool_folder}


def spooled(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Every finished entry of the spools, with its name in the copy; also those that were set aside.

    A pipe, a folder or a link by such a name is no entry, and must not stop the copy.
    """
    for name, folder in spools(settings).items():
        for path in (*folder.glob("*.entry"), *(folder / DAMAGED).glob("*.entry")):
            if not path.name.startswith(".") and path.is_file() and not path.is_symlink():
                yield path, f"{name}/{path.relative_to(folder)}"


def operators(settings: Settings) -> Iterator[tuple[Path, str]]:
    """The operators' files, with their names in the copy: departments, access, dialplan, prompts, texts, recordings."""
    files = settings.files
    folders = {ROOT / "dialplan": "dialplan", files.prompts: "prompts"}
    single = {files.departments: "departments.toml", files.access: "access.toml"}
    for folder, name in folders.items():
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            if path.is_file() and not NOT_OPERATORS.intersection(inside.parts):
                yield path, f"{OPERATORS}/{name}/{inside}"
    for path, name in single.items():
        if path.is_file() and not any(path.is_relative_to(folder) for folder in folders):
            yield path, f"{OPERATORS}/{name}"


def place_of(settings: Settings, name: str) -> Path:
    """Return where an operators' file of a copy belongs here."""
    inside = Path(name).relative_to(OPERATORS)
    match inside.parts:
        case ("dialplan", *rest):
            return ROOT.joinpath("dialplan", *rest)
        case ("prompts", *rest):
            return settings.files.prompts.joinpath(*rest)
        case ("access.toml",):
            return settings.files.access
        case _:
            return settings.files.departments


def copy(source: Path, target: Path) -> None:
    """Copy a file, readable by its owner only, and sync it. Raises OSError."""
    make_folder(target.parent)
    draft = target.with_name(f".{target.name}.partial")
    with source.open("rb") as content, private(draft) as out:
        shutil.copyfileobj(content, out)
        out.flush()
        os.fsync(out.fileno())
    draft.rename(target)
    sync_folder(target.parent)


def private(path: Path) -> BinaryIO:
    """Open a new file that only its owner can read, for writing bytes."""
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def make_folder(folder: Path) -> None:
    """Make a folder for the owner only, and its parents."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
