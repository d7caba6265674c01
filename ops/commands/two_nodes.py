"""`make two-nodes` and `make two-nodes-down`: two nodes and Kamailio on one machine, to try what several machines do.

Each node is a `make up` of its own, with other ports. Node two uses node one's PostgreSQL.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path

from desk.errors import DeskError
from desk.paths import ROOT
from desk.settings.settings import Settings
from ops.commands import proxy
from ops.commands.compose import APP_ROLE, OWNER_ROLE, ComposeError
from ops.commands.terminal import show
from ops.machine import engine, kamailio_files
from ops.machine.apt import AptError
from ops.machine.in_use import AlreadyRunning, only_one_in
from ops.machine.instance import make_private, write_private
from ops.messages.translation import translated

NAMES = ("one", "two")
STEP = 10  # between the ports of the nodes
ALIVE_LIMIT = 60.0


def up(settings: Settings) -> None:
    """Start the nodes and Kamailio, and wait until it gives calls to both. Raises ComposeError."""
    folder = _folder(settings)
    mark = _mark(folder)
    for n, name in enumerate(NAMES):
        own = folder / name
        make_private(own / "compose" / "asterisk", within=folder)
        if (keys := settings.files.var / "keys.env").exists():
            shutil.copy(keys, own)
        if n:
            shutil.copy(folder / NAMES[0] / "compose" / "asterisk" / "phones.json", own / "compose" / "asterisk")
        _compose("up", _variables(settings, folder, n, mark))
    files = folder / "kamailio"
    make_private(files, within=folder)
    port = settings.sip.port
    kamailio_files.write(
        files,
        listen=f"127.0.0.1:{port}",
        nodes=[f"127.0.0.1:{_port(port, n)}" for n in range(len(NAMES))],
        trunk=[settings.sip.trunk or f"127.0.0.1:{_port(port, len(NAMES))}"],  # in the demo, this machine
        mark=mark,
        inside=Path("/etc/kamailio"),
    )
    proxy.up(folder, files, mark=mark)
    end = time.monotonic() + ALIVE_LIMIT
    while proxy.command(folder / "proxy", "dispatcher.list").count("FLAGS: AP") != len(NAMES):
        if time.monotonic() > end:
            raise ComposeError("Kamailio reaches only some of the nodes; see: docker logs")
        time.sleep(0.5)
    doors = ", ".join(f"{settings.api.host}:{_port(settings.api.port, n)}" for n in range(len(NAMES)))
    show(f"Both nodes are up. Call sip:EXTENSION@127.0.0.1:{port}; the web doors are {doors}.")


def down(settings: Settings) -> None:
    """Stop and remove all containers. The database stays."""
    folder = _folder(settings)
    proxy.down(folder)
    for n in reversed(range(len(NAMES))):
        _compose("down", _variables(settings, folder, n, _mark(folder)))


def _folder(settings: Settings) -> Path:
    folder = (settings.files.var / "two-nodes").absolute()
    make_private(folder, within=folder)
    return folder


def _mark(folder: Path) -> str:
    file = folder / "mark"
    if not file.exists():
        write_private(file, secrets.token_hex(16))
    return file.read_text("ascii")


def _port(first: int, node: int) -> int:
    return first + STEP * (node + 1)


def _variables(settings: Settings, folder: Path, node: int, mark: str) -> dict[str, str]:
    """Return what differs between the nodes, by name without INNRINGING_."""
    first, last = settings.sip.rtp_range
    half = (last - first + 1) // len(NAMES)
    given = {
        "VAR_DIR": os.fspath(folder / NAMES[node]),
        "SIP_PROXY": f"127.0.0.1:{settings.sip.port}",
        "SIP_PROXY_MARK": mark,
        "SIP_PORT": str(_port(settings.sip.port, node)),
        "RTP_PORTS": f"{first + half * node}-{first + half * (node + 1) - 1}",
        "ARI_PORT": str(_port(settings.ari.port, node)),
        "API_PORT": str(_port(settings.api.port, node)),
        "STANDBY_PORT": str(_port(settings.standby.port, node)),
    }
    return given | (_database(folder / NAMES[0] / "compose") if node else {})


def _database(first: Path) -> dict[str, str]:
    """Return the addresses of node one's PostgreSQL."""
    roles = {"DATABASE_URL": (APP_ROLE, "postgres-app-password"), "MIGRATION_URL": (OWNER_ROLE, "postgres-password")}
    port = os.environ.get("INNRINGING_POSTGRES_PORT", "5432")
    return {
        name: f"postgresql+asyncpg://{role}:{(first / file).read_text('ascii')}@127.0.0.1:{port}/innringing"
        for name, (role, file) in roles.items()
    }


def _compose(action: str, variables: dict[str, str]) -> None:
    given = {f"INNRINGING_{name}": value for name, value in variables.items()}
    command = [sys.executable, "-m", "ops.commands.compose", action]
    if subprocess.run(command, env={**os.environ, **given}, cwd=ROOT, check=False).returncode:
        raise ComposeError(f"a node did not go {action}; its reason is above")


if __name__ == "__main__":
    try:
        settings = Settings.load()
        with only_one_in(settings.files.var):
            {"up": up, "down": down}[sys.argv[1]](settings)
    except (AlreadyRunning, ComposeError, DeskError, OSError, engine.EngineError, AptError) as error:
        sys.exit(translated(f"innringing: {error}"))
