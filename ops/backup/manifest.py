"""The manifest of a copy: what is in it, with a hash of each file."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from ops.backup.errors import CopyDamaged
from ops.backup.files import AUDIT_SPOOL, SPOOL

NAME: Final = "manifest.json"
FORM: Final = 1

Engine = Literal["sqlite", "postgresql"]
DATABASES: Final[Mapping[Engine, str]] = {"sqlite": "database.sqlite", "postgresql": "database.dump"}
"""The file of the database in a copy."""


@dataclass(frozen=True)
class CopiedFile:
    """The size and the SHA-256 of one file."""

    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a copy holds. `keys`: the versions it needs, by kind; `anchor`: of the audit; `rows`: by table."""

    made_at: str
    version: str
    engine: Engine
    keys: Mapping[str, list[int]]
    has_keys: bool
    anchor: str
    rows: Mapping[str, int]
    files: Mapping[str, CopiedFile]

    def text(self) -> str:
        return json.dumps({"form": FORM, **asdict(self)}, indent=1, sort_keys=True) + "\n"

    @property
    def spooled(self) -> int:
        """How many entries of the spool are in the copy, without those that were set aside."""
        return self._entries(SPOOL)

    @property
    def audit_spooled(self) -> int:
        """How many rows of the audit that the database did not have yet."""
        return self._entries(AUDIT_SPOOL)

    def _entries(self, spool: str) -> int:
        return sum(Path(name).parent == Path(spool) for name in self.files)


def read(folder: Path) -> Manifest:
    """Read the manifest of a copy, and compare every file with it. Raises CopyDamaged."""
    try:
        found = json.loads((folder / NAME).read_text("utf-8"))
        if found.pop("form") != FORM:
            raise CopyDamaged("another version of innringing made it.")
        files = {name: CopiedFile(**each) for name, each in found.pop("files").items()}
        manifest = Manifest(files=files, **found)
    except FileNotFoundError:
        raise CopyDamaged(f"{folder / NAME} is missing: the backup was not finished, or this is no copy.") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise CopyDamaged(f"{folder / NAME} can't be read.") from None
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {NAME}
    if missing := sorted(files.keys() - present):
        raise CopyDamaged(f"{missing[0]} is missing.")
    if more := sorted(present - files.keys()):
        raise CopyDamaged(f"{more[0]} is not in the manifest.")
    for name, expected in files.items():
        if describe(folder / name) != expected:
            raise CopyDamaged(f"{name} has changed since the backup.")
    return manifest


def describe(path: Path) -> CopiedFile:
    """Return the size and the hash of a file. Raises CopyDamaged."""
    try:
        with path.open("rb") as file:
            return CopiedFile(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise CopyDamaged(f"{path} can't be read: {error.strerror}.") from None
