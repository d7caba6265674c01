"""Build our images on Debian images, which are pulled, or built from a Debian mirror where no registry responds."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from desk.paths import ROOT
from ops.machine import apt, engine, tree
from ops.messages.translation import translated

HERE = ROOT / "docker"
ASTERISK = "innringing-asterisk"
POSTGRES = "innringing-postgres"
KAMAILIO = "innringing-kamailio"
BOOTSTRAP = "innringing-mmdebstrap"
BASES = {ASTERISK: "sid", POSTGRES: "trixie", KAMAILIO: "trixie"}
FILES = {
    ASTERISK: ("asterisk.Dockerfile", "asterisk.packages", "healthy", "with-clean-log"),
    POSTGRES: ("postgres.Dockerfile", "postgres.packages", "postgres-start", "healthy"),
    KAMAILIO: ("kamailio.Dockerfile", "kamailio.packages", "healthy"),
}
PULL_LIMIT = 120  # seconds


def ensure(name: str) -> None:
    """Build the image unless it exists already, from the same files."""
    cache = tree.cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if built(name):
            return
        ensure_base(BASES[name])
        build(name)


def build(name: str, *options: str) -> None:
    """Build the image on the base that is there. `options` are Docker's."""
    print(translated(f"Building the image {name} …"), flush=True)
    with tempfile.TemporaryDirectory() as context:
        for file in FILES[name]:
            source = HERE / file
            (Path(context) / file).write_bytes(source.read_bytes())
            (Path(context) / file).chmod(source.stat().st_mode)
        engine.docker(
            "build", "-q", "--network=host", "-t", name, f"--label=innringing.recipe={_recipe(name)}", *options,
            "-f", str(Path(context) / FILES[name][0]), context,
        )  # fmt: skip


def built(name: str) -> bool:
    """Whether the image exists already, from the same files."""
    return bool(engine.docker("images", "-q", "--filter", f"label=innringing.recipe={_recipe(name)}", name))


def _recipe(name: str) -> str:
    return hashlib.sha256(b"".join((HERE / file).read_bytes() for file in FILES[name])).hexdigest()[:12]


def ensure_base(suite: str) -> None:
    """Make sure that `debian:SUITE-slim` exists: pull it, or build it with mmdebstrap."""
    if not engine.docker("images", "-q", f"debian:{suite}-slim"):
        renew_base(suite)


def renew_base(suite: str) -> None:
    """Pull the newest `debian:SUITE-slim`, or build it from today's packages."""
    name = f"debian:{suite}-slim"
    try:
        pulled = subprocess.run(["docker", "pull", "-q", name], capture_output=True, check=False, timeout=PULL_LIMIT)
        if pulled.returncode == 0:
            return
    except subprocess.TimeoutExpired:
        pass
    print(translated(f"No registry has {name}: building it from a Debian mirror …"), flush=True)
    _make_base(suite, name)


def _make_base(suite: str, name: str) -> None:
    cache = tree.cache_folder()
    sources = apt.debian_sources(suite, cache)
    _ensure_bootstrap()
    options = ["--variant=minbase", "--mode=root", "--aptopt=Apt::Install-Recommends false"]
    options += [f"--aptopt={line}" for line in apt.host_acquire().splitlines()]
    # A frozen copy of the archive counts as expired. Its signature is still checked.
    options += ['--aptopt=Acquire::Check-Valid-Until "false"', "--include=ca-certificates"]
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    line = apt.without_options(sources)
    make = ["docker", "run", "--rm", "--network=host", BOOTSTRAP, "mmdebstrap", *options]
    make += [f"--keyring={keyring}", suite, "-", line]
    with tempfile.TemporaryFile() as complaints:
        with subprocess.Popen(make, stdout=subprocess.PIPE, stderr=complaints) as made:
            put = subprocess.run(["docker", "import", "-", name], stdin=made.stdout, capture_output=True, check=False)
        if made.returncode or put.returncode:
            complaints.seek(0)
            lines = complaints.read().decode(errors="replace").strip().splitlines()[-3:]
            engine.docker("rmi", name, check=False)
            raise engine.EngineError(f"can't build {name}: {' / '.join(lines) or put.stderr.decode().strip()}")


def _ensure_bootstrap() -> None:
    """Import an image with mmdebstrap from unpacked packages. This needs no root and no configuration."""
    packages = (HERE / "mmdebstrap.packages").read_text(encoding="utf-8").split()
    label = f"innringing.recipe={hashlib.sha256(' '.join(packages).encode()).hexdigest()[:12]}"
    if engine.docker("images", "-q", "--filter", f"label={label}", BOOTSTRAP):
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        apt.unpack(packages, apt.debian_sources("sid", tree.cache_folder()), root)
        (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n_apt:x:42:65534::/nonexistent:/bin/false\n")
        (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
        for name in ("tmp", "root", "proc", "sys", "dev", "var/lib/dpkg", "var/tmp"):
            (root / name).mkdir(parents=True, exist_ok=True)
        (root / "var/lib/dpkg/status").touch()
        tar = ["tar", "-C", str(root), "--owner=0", "--group=0", "--numeric-owner", "-c", "."]
        import_image = ["docker", "import", "-c", f"LABEL {label}", "-", BOOTSTRAP]
        with subprocess.Popen(tar, stdout=subprocess.PIPE) as pack:
            put = subprocess.run(import_image, stdin=pack.stdout, capture_output=True, check=False)
        if pack.returncode or put.returncode:
            raise engine.EngineError(f"can't import {BOOTSTRAP}: {put.stderr.decode().strip()}")


def main() -> None:
    """Build the images before the tests, which have time limits. Does nothing where containers are not used."""
    asked = os.environ.get("INNRINGING_RUNNER", "auto")
    if asked == "docker" or (asked == "auto" and engine.answers()):
        ensure(ASTERISK)
        ensure(POSTGRES)


if __name__ == "__main__":
    try:
        main()
    except (engine.EngineError, apt.AptError) as error:
        sys.exit(translated(f"innringing: {error}"))
