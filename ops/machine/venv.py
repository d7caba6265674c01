"""Make the virtual environment on a machine that has Python 3.11 or newer, even where pip and ensurepip are missing.

Only the standard library. `python3 -m ops.machine.venv` makes or refreshes `.venv`; with `bench` it adds what only
the bench
needs. pip reads the user's own settings, so a hospital's own index is used where it is configured.
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

VENV = ROOT / ".venv"
RECIPE = b"2"  # raise it when what is made beside the requirements changes
REQUIREMENTS = ROOT / "requirements-dev.txt"
FOR_THE_BENCH = ROOT / "requirements-bench.txt"  # the same and other people's queues
COMMAND = """\
#!{python}
import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while all is being loaded ends it, without a traceback

from innringing import app

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(app())
"""


def ensure() -> None:
    """Bring .venv to what requirements-dev.txt asks for."""
    if sys.version_info < (3, 11):  # noqa: UP036 - it is the machine's own Python that runs this
        sys.exit(f"innringing: Python 3.11 or newer is needed; this is {sys.version.split()[0]}")
    python = VENV / "bin" / "python"
    stamp = VENV / "innringing-requirements"
    if python.exists() and _has(stamp, REQUIREMENTS):
        return
    print(f"Making {VENV.name} with what {REQUIREMENTS.name} lists (a minute or two) …", flush=True)
    if not python.exists():
        _run([sys.executable, "-m", "venv", "--without-pip", "--clear", str(VENV)])
    _install(python, REQUIREMENTS)
    _put_ourselves_in(python)
    stamp.write_text(_recipe(REQUIREMENTS), encoding="ascii")


def ensure_bench() -> None:
    """Add to .venv what requirements-bench.txt asks for beyond that."""
    ensure()
    stamp = VENV / "innringing-requirements-bench"
    if _has(stamp, FOR_THE_BENCH):
        return
    print(f"Adding what {FOR_THE_BENCH.name} lists …", flush=True)
    _install(VENV / "bin" / "python", FOR_THE_BENCH)
    stamp.write_text(_recipe(FOR_THE_BENCH), encoding="ascii")


def _has(stamp: Path, requirements: Path) -> bool:
    return stamp.exists() and stamp.read_text(encoding="ascii") == _recipe(requirements)


def _recipe(requirements: Path) -> str:
    return hashlib.sha256(RECIPE + requirements.read_bytes()).hexdigest()


def _install(python: Path, requirements: Path) -> None:
    _run([str(python), *_pip(python), "install", "-qq", "--require-hashes", "-r", str(requirements)])


def _put_ourselves_in(python: Path) -> None:
    """What an editable install does, without a build: the checkout on the path, and the command."""
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
    """What importlib.metadata reads our name and version from."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'(?m)^version = "([^"]+)"', project)
    version = found[1] if found else "0"
    metadata = folder / f"innringing-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir(exist_ok=True)
    metadata.write_text(f"Metadata-Version: 2.1\nName: innringing\nVersion: {version}\n", encoding="utf-8")


def _pip(python: Path) -> list[str]:
    """How pip is run: the venv's, the system's, or a wheel of it from Debian."""
    candidates = [["-m", "pip"], *([str(wheel / "pip")] for wheel in _bundled())]
    for command in candidates:
        if subprocess.run([python, *command, "--version"], capture_output=True, check=False).returncode == 0:
            return command
    return [str(_debian_wheel() / "pip")]


def _bundled() -> list[Path]:
    """pip's wheel where the distribution left it, for ensurepip; the newest first."""
    folders = [Path(sysconfig.get_path("stdlib")) / "ensurepip" / "_bundled", Path("/usr/share/python-wheels")]
    return [wheel for folder in folders for wheel in sorted(folder.glob("pip-*.whl"), reverse=True)]


def _debian_wheel() -> Path:
    """pip's wheel from Debian: this host has none."""
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
        ensure_bench() if sys.argv[1:] == ["bench"] else ensure()
    except AptError as error:
        sys.exit(f"innringing: {error}")
