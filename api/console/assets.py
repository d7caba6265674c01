"""The console's style sheets and scripts, in memory: named by their content, compressed once, cached for a year."""

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Header
from fastapi import Path as InPath
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from api.web.audit_rules import unaudited

FOLDER: Final = Path(__file__).parent / "static"
PREFIX: Final = "/static"
FOREVER: Final = "public, max-age=31536000, immutable"
"""The address changes with the content, so a browser never has to ask again."""
TYPES: Final = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

router = APIRouter(prefix=PREFIX, include_in_schema=False)


@dataclass(frozen=True)
class Asset:
    """A file that browsers fetch."""

    content: bytes
    compressed: bytes
    type: str


class Assets(Mapping[str, Asset]):
    """All files below a folder, by their name there. `edition` changes when any of them does.

    One edition for all: a module that imports another by a relative address gets the one it was written for.
    """

    def __init__(self, folder: Path) -> None:
        files = sorted(file for file in folder.rglob("*") if file.suffix in TYPES)
        self._assets = {file.relative_to(folder).as_posix(): _asset(file) for file in files}
        digest = hashlib.sha256()
        for name, asset in self._assets.items():
            digest.update(name.encode() + b"\0" + asset.content)
        self.edition = digest.hexdigest()[:12]

    def __getitem__(self, name: str) -> Asset:
        return self._assets[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._assets)

    def __len__(self) -> int:
        return len(self._assets)

    def address(self, name: str) -> str:
        """The address of a file. Raises KeyError for one that does not exist."""
        assert name in self._assets, name
        return f"{PREFIX}/{self.edition}/{name}"


@cache
def assets() -> Assets:
    """The console's files, read once."""
    return Assets(FOLDER)


@router.get("/{edition}/{name:path}")
@unaudited("a style sheet or a script, the same for everyone")
async def asset(
    edition: Annotated[str, InPath(max_length=12)],
    name: Annotated[str, InPath(max_length=200)],
    accept_encoding: Annotated[str, Header()] = "",
) -> Response:
    """Return a file of the present edition. An older page gets 404, and its next one names the present edition."""
    found = assets().get(name)
    if found is None or edition != assets().edition:
        raise HTTPException(404)
    headers = {"Cache-Control": FOREVER, "Vary": "Accept-Encoding"}
    if "gzip" in accept_encoding:
        return Response(found.compressed, media_type=found.type, headers=headers | {"Content-Encoding": "gzip"})
    return Response(found.content, media_type=found.type, headers=headers)


def _asset(file: Path) -> Asset:
    content = file.read_bytes()
    kind = TYPES[file.suffix]
    return Asset(content, gzip.compress(content, 9, mtime=0), kind)
