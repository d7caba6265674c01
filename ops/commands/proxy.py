"""`make proxy` and `make proxy-down`: start and stop Kamailio before the nodes, with the files of dialplan/kamailio."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path

from desk.errors import DeskError
from desk.paths import ROOT
from desk.settings.settings import Settings
from ops.commands.compose import ComposeError, compose_program, project_of, run_compose
from ops.commands.terminal import show
from ops.machine import engine, images, kamailio_files
from ops.machine.apt import AptError
from ops.machine.in_use import AlreadyRunning, only_one_in
from ops.machine.instance import make_private
from ops.messages.translation import translated

FILE = ROOT / "docker" / "proxy.yaml"
START_LIMIT = 60.0


def up(var: Path, files: Path = kamailio_files.FOLDER, *, mark: str = "") -> None:
    """Build the image if it is missing, and start Kamailio with the operators' files. Raises ComposeError."""
    for fault in kamailio_files.faults(files, mark=mark, root=ROOT):
        if not fault.note:
            raise ComposeError(str(fault))
    compose = compose_program()
    images.ensure(images.KAMAILIO)
    folder = _folder(var)
    kamailio_files.put(files, folder)
    for path in folder.iterdir():
        path.chmod(0o600)
    engine.give(folder)
    run_compose(compose, ["up", "-d"], FILE, project_of(folder), _variables(folder))
    end = time.monotonic() + START_LIMIT
    while "uptime" not in command(folder, "core.uptime"):
        if time.monotonic() > end:
            raise ComposeError("Kamailio does not respond; see: docker ps, docker logs")
        time.sleep(0.5)


def down(var: Path) -> None:
    """Stop and remove the container."""
    folder = _folder(var)
    run_compose(compose_program(), ["down"], FILE, project_of(folder), _variables(folder))


def command(folder: Path, *words: str) -> str:
    """Run a command of kamcmd in the container, and return its output."""
    label = f"label=com.docker.compose.project={project_of(folder)}"
    container = engine.docker("ps", "-q", "--filter", label, check=False)
    if not container:
        return ""
    return engine.docker("exec", container, "kamcmd", "-s", "unix:/tmp/kamailio_ctl", *words, check=False)


def _folder(var: Path) -> Path:
    folder = (var / "proxy").absolute()
    make_private(folder, within=folder)
    return folder


def _variables(folder: Path) -> dict[str, str]:
    content = b"".join(path.read_bytes() for path in sorted(folder.iterdir()))
    return {
        "INNRINGING_USER": ":".join(map(str, engine.owner())),
        "INNRINGING_PROXY": os.fspath(folder),
        "INNRINGING_PROXY_EDITION": hashlib.sha256(content).hexdigest()[:12],
    }


if __name__ == "__main__":
    try:
        settings = Settings.load(need_keys=False)
        with only_one_in(settings.files.var):
            if sys.argv[1] == "down":
                down(settings.files.var)
            else:
                mark = settings.sip.proxy_mark
                up(settings.files.var, mark=mark.get_secret_value() if mark else "")
                show("Kamailio is up. `make proxy-down` stops it.")
    except (AlreadyRunning, ComposeError, DeskError, OSError, engine.EngineError, AptError) as error:
        sys.exit(translated(f"innringing: {error}"))
