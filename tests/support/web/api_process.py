"""The api as a separate process, as an operator starts it."""

import asyncio
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from desk.paths import ROOT
from tests.support.environment import UNLIMITED, without_ours
from tests.support.ports import free_port

API = ("innringing", "api")
WITNESSED_API = ("tests.support.web.witnessed_api",)
START_SECONDS = 60.0
STOP_SECONDS = 20.0


@dataclass(frozen=True)
class ApiProcess:
    """A running api. `token` is the demo agent's."""

    url: str
    token: str
    pid: int
    log: Path

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def own_departments(folder: Path) -> str:
    """A hospital's own file: the demo's, with real phone numbers."""
    text = (ROOT / "dialplan" / "departments.toml").read_text("utf-8")
    (folder / "own.toml").write_text(text.replace("+47680500", "+47680599"), "utf-8")
    return str(folder / "own.toml")


def environment(database_url: str, var_dir: Path, **more: str) -> dict[str, str]:
    """This process's variables, with only these of INNRINGING_. The demo environment creates keys and token."""
    given = {
        "environment": "demo",
        "database_url": database_url,
        "var_dir": str(var_dir),
        "api_port": str(free_port(socket.SOCK_STREAM)),
        "ari_port": "1",
        **{name: str(limit) for name, limit in UNLIMITED.items()},
        **more,
    }
    return {**without_ours(), **{f"INNRINGING_{name.upper()}": value for name, value in given.items()}}


@contextmanager
def running_api(
    variables: Mapping[str, str],
    *,
    trust: ssl.SSLContext | None = None,
    command: Sequence[str] = API,
    log: str = "api.log",
    ends_by: signal.Signals = signal.SIGTERM,
) -> Iterator[ApiProcess]:
    """Start it, wait until it answers, and stop it by SIGTERM, after which it must exit with 0.

    `trust`: the trusted authorities, where it serves TLS itself. `log`: a file in its folder. `ends_by`: SIGKILL, as a
    crash would.
    """
    var_dir = Path(variables["INNRINGING_VAR_DIR"])
    url = f"{'https' if trust else 'http'}://127.0.0.1:{variables['INNRINGING_API_PORT']}"
    file = var_dir / log
    with file.open("wb") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, env=dict(variables), stdout=out, stderr=out
        )
    try:
        _wait_until_it_answers(url, child, file, trust)
        yield ApiProcess(url, (var_dir / "demo-token").read_text().strip(), child.pid, file)
        child.send_signal(ends_by)
        assert child.wait(STOP_SECONDS) == (0 if ends_by is signal.SIGTERM else -ends_by), file.read_text()
    finally:
        child.kill()
        child.wait()


def _wait_until_it_answers(url: str, child: subprocess.Popen[bytes], log: Path, trust: ssl.SSLContext | None) -> None:
    end = time.monotonic() + START_SECONDS
    while child.poll() is None and time.monotonic() < end:
        try:
            if httpx.get(f"{url}/healthz", trust_env=False, timeout=5, verify=trust or True).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"the api did not start: {log.read_text()}")


async def refused_start(variables: Mapping[str, str]) -> tuple[int, str, str]:
    """Start an api that is expected to fail. Returns exit code, stdout and stderr."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *API),
        cwd=ROOT,
        env=dict(variables),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(child.communicate(), START_SECONDS)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert child.returncode is not None
    return child.returncode, out.decode(), err.decode()
