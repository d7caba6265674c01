"""Run programs from Debian packages unpacked in a cache folder (a «tree»), on any Debian-like machine and as any user.

There is no chroot and no namespace. Each program in `TREE/bin` is a short script that runs the unpacked program with
the tree's own loader and libraries, independent of the host's C library.
This module uses only the standard library. `python3 -m ops.machine.tree asterisk` builds a tree and prints its folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from desk.paths import ROOT
from ops.machine.apt import AptError, debian_sources, unpack
from ops.messages.translation import translated

HERE = ROOT / "docker"
RECIPE = "1"  # increase it when the processing of unpacked packages changes
CACHE_VARIABLE = "INNRINGING_CACHE"


@dataclass(frozen=True)
class Recipe:
    """Package lists of one Debian suite, and the programs to wrap. `in_place` programs keep their own path.

    `starts_itself`: of the programs, browsers that find their files next to what /proc/self/exe names, and start
    processes of their own. They get a loader next to them, and start their processes by the script.
    """

    name: str
    suite: str
    lists: tuple[str, ...]
    programs: Mapping[str, str] = field(default_factory=dict)
    in_place: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    starts_itself: tuple[str, ...] = ()

    def packages(self) -> list[str]:
        return [name for path in self.lists for name in (HERE / path).read_text(encoding="utf-8").split()]

    def folder_name(self, architecture: str, snapshot: str = "") -> str:
        parts = [RECIPE, self.suite, architecture, snapshot, *sorted(self.packages())]
        parts += [*self.programs, *self.programs.values(), *self.in_place, *self.variables.values()]
        parts += self.starts_itself
        return f"{self.name}-{self.suite}-{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:12]}"


ASTERISK = Recipe(
    "asterisk",
    "sid",
    ("asterisk.packages", "tools.packages"),
    programs={
        "asterisk": "usr/sbin/asterisk",
        "rasterisk": "usr/sbin/asterisk",
        "ffmpeg": "usr/bin/ffmpeg",
        "ffprobe": "usr/bin/ffprobe",
        "espeak-ng": "usr/bin/espeak-ng",
        "sipp": "usr/bin/sipp",
    },
    variables={"ESPEAK_DATA_PATH": "{libraries}/espeak-ng-data"},
)
POSTGRES = Recipe(
    "postgres",
    "trixie",
    ("postgres.packages",),
    in_place=("usr/lib/postgresql/17/bin/postgres", "usr/lib/postgresql/17/bin/initdb"),
)
PROMETHEUS = Recipe(
    "prometheus",
    "trixie",
    ("prometheus.packages",),
    programs={"prometheus": "usr/bin/prometheus", "promtool": "usr/bin/promtool"},
)
PGBOUNCER = Recipe("pgbouncer", "trixie", ("pgbouncer.packages",), programs={"pgbouncer": "usr/sbin/pgbouncer"})
KAMAILIO = Recipe(
    "kamailio",
    "trixie",
    ("kamailio.packages",),
    programs={"kamailio": "usr/sbin/kamailio", "kamcmd": "usr/sbin/kamcmd"},
)
CHROMIUM = Recipe(
    "chromium",
    "trixie",
    ("chromium.packages",),
    programs={"chromium": "usr/lib/chromium/chromium"},
    variables={"FONTCONFIG_SYSROOT": "{tree}"},
    starts_itself=("chromium",),
)
RECIPES = {recipe.name: recipe for recipe in (ASTERISK, POSTGRES, PGBOUNCER, KAMAILIO, CHROMIUM)}


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    if own := environment.get(CACHE_VARIABLE):
        return Path(own).absolute()
    if os.geteuid() == 0:
        return Path("/var/cache/innringing")
    home = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "innringing"


def built(recipe: Recipe, cache: Path | None = None) -> Path | None:
    """Return the tree's folder if it is built already, or None. Nothing is downloaded."""
    if shutil.which("dpkg") is None:
        return None
    target = _target(recipe, cache or cache_folder())
    return target if target.exists() else None


def ensure(recipe: Recipe, cache: Path | None = None) -> Path:
    """Return the tree's folder. Build it first if needed (a minute, about 200 MB of downloads)."""
    cache = cache or cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    target = _target(recipe, cache)
    if target.exists():
        return target
    with _locked(cache / f"{recipe.name}.lock"):
        if not target.exists():
            _build(recipe, target)
    return target


def _target(recipe: Recipe, cache: Path) -> Path:
    return cache / recipe.folder_name(_architecture(), os.environ.get("INNRINGING_DEBIAN_SNAPSHOT", ""))


def program(name: str) -> Path:
    """Return the path of a program in the Asterisk tree (asterisk, ffmpeg, ffprobe, espeak-ng, sipp)."""
    return ensure(ASTERISK) / "bin" / name


def _build(recipe: Recipe, target: Path) -> None:
    print(translated(f"Unpacking {', '.join(recipe.packages())} of Debian {recipe.suite} to {target}"), flush=True)
    print(translated("  fetching the packages (only once, takes a minute or two) …"), flush=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{recipe.name}-", suffix=".new") as work:
        tree = Path(work) / "tree"
        unpack(recipe.packages(), debian_sources(recipe.suite, target.parent), tree)
        write_wrappers(recipe, tree, target)
        tree.chmod(0o755)
        tree.rename(target)
    print(translated("  done"), flush=True)


def write_wrappers(recipe: Recipe, tree: Path, target: Path) -> None:
    """Write scripts that run the programs with the tree's own loader, after `tree` has been renamed to `target`."""
    libraries = libraries_folder(tree)
    loader = next(path for path in sorted(libraries.glob("ld-linux*.so*")) if path.exists())
    path = ":".join(str(target / folder.relative_to(tree)) for folder in library_path(libraries))
    lines = [
        f"export {name}='{value.format(libraries=target / libraries.relative_to(tree), tree=target)}'\n"
        for name, value in recipe.variables.items()
    ]
    (tree / "bin-wrapped").mkdir()
    commands = {tree / "bin-wrapped" / name: (target / real, name) for name, real in recipe.programs.items()}
    for name in recipe.in_place:
        script = tree / name
        real = script.rename(script.with_name(f"{script.name}.real"))
        commands[script] = (target / real.relative_to(tree), str(target / name))
    for script, (real, shown_as) in commands.items():
        used, own = target / loader.relative_to(tree), ""
        if shown_as in recipe.starts_itself:
            used, own = real.with_name("loader"), f" --browser-subprocess-path='{target / 'bin' / shown_as}'"
            shutil.copy(loader, tree / used.relative_to(target))
        # --argv0 gives the program the script's name: some find other programs, or change behaviour, by their name
        start = f"exec '{used}' --library-path '{path}' --argv0 '{shown_as}' '{real}'{own} \"$@\"\n"
        script.write_text(f"#!/bin/sh\n{''.join(lines)}{start}", encoding="utf-8")
        script.chmod(0o755)
    if (tree / "bin").is_symlink():  # Debian's merged /usr
        (tree / "bin").unlink()
    (tree / "bin-wrapped").rename(tree / "bin")


def libraries_folder(tree: Path) -> Path:
    """Find `usr/lib/<architecture>` in a tree by its loader."""
    for loader in sorted(tree.glob("usr/lib/*/ld-linux*.so*")):
        return loader.parent
    raise AptError(f"no loader under {tree}/usr/lib")


def library_path(libraries: Path) -> list[Path]:
    """Return the library folders of a tree. Some packages have theirs one level deeper."""
    inner = sorted({path.parent for path in libraries.glob("*/lib*.so*")})
    return [libraries, *inner]


def _architecture() -> str:
    done = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AptError("this host has no dpkg: use a Debian or Ubuntu host, or Docker")
    return done.stdout.strip()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    try:
        print(ensure(RECIPES[sys.argv[1]]))
    except AptError as error:
        sys.exit(translated(f"innringing: {error}"))
