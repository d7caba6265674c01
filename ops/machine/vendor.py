"""Files of others that run in browsers or in tests: fetch them (`make vendor`) or compare hashes.

`vendor.toml` names each package's version, its licence, the SHA-256 of its tarball, and of each file that is kept. The
files are in the repository, so nothing is fetched at run time or by tests; `make check` compares the hashes. npm
fetches the tarballs from the registry that the machine is configured with, without running any of their scripts.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from desk.paths import ROOT
from ops.machine.identity_provider import Node, find_node, npm_environment

FOLDER = ROOT / "api" / "console" / "static" / "vendor"
FOLDERS = (FOLDER, ROOT / "tests" / "console" / "vendor", ROOT / "tests" / "support" / "fhir" / "vendor")
SECONDS = 120


@dataclass(frozen=True)
class VendoredPackage:
    """A package of the npm registry. `files`: the SHA-256 of each file that is kept, by its path in the tarball."""

    name: str
    version: str
    licence: str
    tarball: str
    files: Mapping[str, str]

    @property
    def folder(self) -> str:
        """The name of its folder: without the `@` and `/` of a scope."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}"


def packages(folder: Path = FOLDER) -> list[VendoredPackage]:
    """Read vendor.toml."""
    read = tomllib.loads((folder / "vendor.toml").read_text(encoding="utf-8"))
    return [VendoredPackage(**each) for each in read["packages"]]


def faults(folder: Path = FOLDER) -> Iterator[str]:
    """Name each file that is missing, changed, or not in vendor.toml."""
    known = {"vendor.toml"}
    for package in packages(folder):
        for inside, digest in package.files.items():
            name = f"{package.folder}/{PurePosixPath(inside).name}"
            known.add(name)
            file = folder / name
            if not file.is_file():
                yield f"{name}: missing; run make vendor"
            elif _digest(file.read_bytes()) != digest:
                yield f"{name}: not what vendor.toml says; run make vendor"
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.relative_to(folder).as_posix() not in known:
            yield f"{file.relative_to(folder)}: not in vendor.toml"


def fetch(folder: Path = FOLDER) -> None:
    """Fetch every package and write the files that vendor.toml names. Exits when a hash differs."""
    node = find_node()
    for package in packages(folder):
        with tempfile.TemporaryDirectory() as work:
            tarball = _packed(node, package, Path(work))
            if _digest(tarball.read_bytes()) != package.tarball:
                sys.exit(f"innringing: the tarball of {package.name} {package.version} is not the one in vendor.toml")
            _unpack(package, tarball, folder / package.folder)


def _packed(node: Node, package: VendoredPackage, folder: Path) -> Path:
    command = [*node.npm, "pack", "--ignore-scripts", "--loglevel=error", f"{package.name}@{package.version}"]
    done = subprocess.run(
        command, cwd=folder, env=npm_environment(node), stdout=subprocess.DEVNULL, timeout=SECONDS, check=False
    )
    found = list(folder.glob("*.tgz"))
    if done.returncode or len(found) != 1:
        sys.exit(f"innringing: npm could not fetch {package.name} {package.version}; its reason is above")
    return found[0]


def _unpack(package: VendoredPackage, tarball: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(tarball) as archive:
        for inside, digest in package.files.items():
            content = archive.extractfile(f"package/{inside}")
            data = content.read() if content else b""
            if _digest(data) != digest:
                sys.exit(f"innringing: {inside} of {package.name} is not the one in vendor.toml")
            (target / PurePosixPath(inside).name).write_bytes(data)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    if sys.argv[1:] == ["fetch"]:
        for each in FOLDERS:
            fetch(each)
    if found := [fault for each in FOLDERS for fault in faults(each)]:
        sys.exit("\n".join(f"vendor: {fault}" for fault in found))
