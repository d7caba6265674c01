"""Create the virtual environment with Python 3.11 or newer, even where pip and ensurepip are missing.

It uses only the standard library. `python3 -m ops.machine.venv` creates or updates `.venv` with what the service needs;
with `dev` it adds the tools of developers and tests, and with `bench` also the requirements of the benchmarks. pip uses
the user's own settings, such as a hospital's package index.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

from desk.paths import ROOT
from ops.machine.apt import AptError, debian_sources, unpack
from ops.machine.tree import cache_folder
from ops.messages.translation import translated

VENV = ROOT / ".venv"
RECIPE = b"2"  # increase it when .venv changes in other ways than by its requirements
REQUIREMENTS = ROOT / "requirements.txt"
DEV_REQUIREMENTS = ROOT / "requirements-dev.txt"
"""Everything in requirements.txt, in the same versions, and more."""
BENCH_REQUIREMENTS = ROOT / "requirements-bench.txt"
COMMAND = """\
#!{python}
import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during imports ends the program without a traceback

from innringing import app

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(app())
"""


def ensure(requirements: Path = REQUIREMENTS) -> None:
    """Bring .venv up to date with these requirements. One that has the developers' has the service's too."""
    if sys.version_info < (3, 11):  # noqa: UP036 - the machine's own Python runs this
        sys.exit(f"innringing: Python 3.11 or newer is needed; this is {sys.version.split()[0]}")
    python = VENV / "bin" / "python"
    stamp = VENV / "innringing-requirements"
    if python.exists() and any(_has(stamp, each) for each in {requirements, DEV_REQUIREMENTS}):
        return
    print(translated(f"Creating {VENV.name} from {requirements.name} (a minute or two) …"), flush=True)
    if not python.exists():
        _run([sys.executable, "-m", "venv", "--without-pip", "--clear", str(VENV)])
    _install(python, requirements)
    _install_checkout(python)
    stamp.write_text(_recipe(requirements), encoding="ascii")


def ensure_bench() -> None:
    """Add the requirements of requirements-bench.txt to .venv."""
    ensure(DEV_REQUIREMENTS)
    stamp = VENV / "innringing-requirements-bench"
    if _has(stamp, BENCH_REQUIREMENTS):
        return
    print(translated(f"Adding {BENCH_REQUIREMENTS.name} …"), flush=True)
    _install(VENV / "bin" / "python", BENCH_REQUIREMENTS)
    stamp.write_text(_recipe(BENCH_REQUIREMENTS), encoding="ascii")


def _has(stamp: Path, requirements: Path) -> bool:
    return stamp.exists() and stamp.read_text(encoding="ascii") == _recipe(requirements)


def _recipe(requirements: Path) -> str:
    return hashlib.sha256(RECIPE + requirements.read_bytes()).hexdigest()


def _install(python: Path, requirements: Path) -> None:
    _run([str(python), *_pip(python), "install", "-qq", "--require-hashes", "-r", str(requirements)])


def _install_checkout(python: Path) -> None:
    """Put the checkout on the path and write the command, like an editable install but without a build."""
    packages = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    (Path(packages) / "innringing-checkout.pth").write_text(f"{ROOT}\n", encoding="utf-8")
    write_metadata(Path(packages))
    command = VENV / "bin" / "innringing"
    command.write_text(COMMAND.format(python=python), encoding="utf-8")
    command.chmod(0o755)


def write_metadata(folder: Path) -> None:
    """Write the package metadata, from which importlib.metadata reads our name and version."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'(?m)^version = "([^"]+)"', project)
    version = found[1] if found else "0"
    metadata = folder / f"innringing-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir(exist_ok=True)
    metadata.write_text(f"Metadata-Version: 2.1\nName: innringing\nVersion: {version}\n", encoding="utf-8")


def _pip(python: Path) -> list[str]:
    """Return the command for pip: the venv's, the system's, or a wheel from Debian."""
    candidates = [["-m", "pip"], *([str(wheel / "pip")] for wheel in _bundled())]
    for command in candidates:
        if subprocess.run([python, *command, "--version"], capture_output=True, check=False).returncode == 0:
            return command
    return [str(_debian_wheel() / "pip")]


def _bundled() -> list[Path]:
    """Return pip's wheels that the distribution has for ensurepip, the newest first."""
    folders = [Path(sysconfig.get_path("stdlib")) / "ensurepip" / "_bundled", Path("/usr/share/python-wheels")]
    return [wheel for folder in folders for wheel in sorted(folder.glob("pip-*.whl"), reverse=True)]


def _debian_wheel() -> Path:
    """Fetch pip's wheel from Debian, for a host that has none."""
    cache = cache_folder()
    folder = cache / "pip"
    wheels = sorted(folder.glob("usr/share/python-wheels/pip-*.whl"))
    if not wheels:
        cache.mkdir(parents=True, exist_ok=True)
        unpack(["python3-pip-whl"], debian_sources("sid", cache), folder, dependencies=False)
        wheels = sorted(folder.glob("usr/share/python-wheels/pip-*.whl"))
    return wheels[-1]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    if done.returncode:
        sys.exit(f"innringing: {' '.join(command[:4])} … failed; its reason is above")


if __name__ == "__main__":
    try:
        match sys.argv[1:]:
            case ["bench"]:
                ensure_bench()
            case ["dev"]:
                ensure(DEV_REQUIREMENTS)
            case _:
                ensure()
    except AptError as error:
        sys.exit(translated(f"innringing: {error}"))
