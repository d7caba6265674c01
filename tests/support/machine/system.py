"""The whole system for tests: Asterisk, `innringing ivr` and `innringing api` as real processes, on free ports."""

import contextlib
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import httpx

from desk.paths import ROOT
from desk.settings.settings import Settings
from ops.machine import asterisk
from tests.support.environment import UNLIMITED, without_ours
from tests.support.machine.servers import machine_settings

COMMAND = [sys.executable, "-c", "from innringing import app; app()"]
START_LIMIT = 60.0  # generous, because other test runs may use the machine
STOP_LIMIT = 30.0


class Program:
    """A running `innringing <command>`. Its output is in `said`."""

    def __init__(
        self, command: str, variables: dict[str, str], said: Path, *, interpreter: Sequence[str] = COMMAND
    ) -> None:
        self.said = said
        with said.open("ab") as out:
            self._child = subprocess.Popen(
                [*interpreter, command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=ROOT,
                env=variables,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    def alive(self) -> bool:
        return self._child.poll() is None

    def kill(self) -> None:
        """kill -9, as a crash or the kernel would."""
        self._child.kill()
        self._child.wait()

    def stop(self) -> None:
        self._child.terminate()
        try:
            self._child.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.kill()


class System:
    """A complete system for patients and agents, in one folder. Use as a context manager."""

    def __init__(
        self, settings: Settings, *, interpreter: Sequence[str] = COMMAND, extra: Mapping[str, str] | None = None
    ) -> None:
        """`interpreter`: another command that starts `innringing`, for its programs.

        `extra`: lines that are added to Asterisk's files, by their names.
        """
        self.settings = settings
        self.interpreter = interpreter
        self.folder = settings.files.var
        self._extra = extra
        self._running = contextlib.ExitStack()
        self.api: Program
        self.ivr: Program

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as starting:
            self.asterisk = starting.enter_context(asterisk.start(self.settings, extra=self._extra))
            self.api = self.start("api")
            starting.callback(lambda: self.api.stop())
            until(self._api_answers, self.api)
            self.ivr = self.start("ivr")
            starting.callback(lambda: self.ivr.stop())
            self.until_ivr_is_in_asterisk()
            self._running = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def start(self, command: str, interpreter: Sequence[str] | None = None) -> Program:
        """Start one of our programs with this system's settings."""
        said = self.folder / f"{command}.said"
        return Program(command, variables(self.settings), said, interpreter=interpreter or self.interpreter)

    def start_standby(self) -> Program:
        """Start a standby beside the phone door, and wait until it listens. The caller stops it."""
        standby = self.start("standby")
        until(self._standby_listens, standby)
        return standby

    def restart_ivr(self, interpreter: Sequence[str] | None = None) -> None:
        """`interpreter`: another command that starts `innringing`."""
        self.ivr = self.start("ivr", interpreter)
        self.until_ivr_is_in_asterisk()

    def until_ivr_is_in_asterisk(self) -> None:
        until(self.ivr_is_in_asterisk, self.ivr)

    def ivr_is_in_asterisk(self) -> bool:
        """Whether our application is registered in Asterisk."""
        return "innringing" in self.asterisk.console("ari show apps")

    @property
    def token(self) -> str:
        return (self.folder / "demo-token").read_text(encoding="ascii").strip()

    @property
    def switchboard_password(self) -> str:
        return self.asterisk.instance.passwords["switchboard"]

    def client(self) -> httpx.AsyncClient:
        """The REST API as the demo agent."""
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.settings.api.port}/api/v1",
            headers={"Authorization": f"Bearer {self.token}"},
            trust_env=False,
            timeout=30,
        )

    def _standby_listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.settings.standby.port), timeout=2) as there:
                there.sendall(b"\n")
                return there.recv(1) == b""
        except OSError:
            return False

    def _api_answers(self) -> bool:
        address = f"http://127.0.0.1:{self.settings.api.port}/healthz"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(address, timeout=2):
                return (self.folder / "demo-token").exists()
        except OSError:
            return False


@contextlib.contextmanager
def running_system(folder: Path, *, interpreter: Sequence[str] = COMMAND, **given: object) -> Iterator[System]:
    """A system with its files in `folder`; `given` are settings."""
    with System(machine_settings(folder, **given), interpreter=interpreter) as system:
        yield system


def variables(settings: Settings, **other: str) -> dict[str, str]:
    """The environment of a program with these settings and no others of ours."""
    ours = {
        "ENVIRONMENT": settings.general.environment,
        "VAR_DIR": str(settings.files.var),
        "DATABASE_URL": settings.database.url,
        "DEPARTMENTS_FILE": str(settings.files.departments),
        "ACCESS_FILE": str(settings.files.access),
        "PROMPTS_DIR": str(settings.files.prompts),
        "ARI_PORT": str(settings.ari.port),
        "STANDBY_PORT": str(settings.standby.port),
        "API_PORT": str(settings.api.port),
        "SIP_PORT": str(settings.sip.port),
        "RTP_PORTS": settings.sip.rtp_ports,
        "TRUNK": settings.sip.trunk,
        "SIP_PROXY": settings.sip.proxy,
        "SIP_PROXY_MARK": settings.sip.proxy_mark.get_secret_value() if settings.sip.proxy_mark else "",
        "AGENT_RINGS": str(settings.dials.agent_rings),
        "PATIENT_RINGS": str(settings.dials.patient_rings),
        "DIALS_A_NUMBER_A_DAY": str(settings.dials.per_number_a_day),
        "CALLS_AT_ONCE": str(settings.limits.calls_at_once),
        **{name.upper(): str(limit) for name, limit in UNLIMITED.items()},
    }
    return without_ours() | {f"INNRINGING_{name}": value for name, value in (ours | other).items()}


def run(
    settings: Settings, *command: str, seconds: float = 120, given: str = "", **other: str
) -> subprocess.CompletedProcess[str]:
    """Run `innringing <command>` to its end, with `given` on its standard input."""
    return subprocess.run(
        [*COMMAND, *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=variables(settings, **other),
        timeout=seconds,
        input=given,
    )


def until(condition: object, program: Program | None = None, seconds: float = START_LIMIT) -> None:
    """Wait until the condition holds. Raises AssertionError with the program's last output if it ends or takes long."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        ended = program is not None and not program.alive()
        if ended or time.monotonic() > end:
            words = program.said.read_text(encoding="utf-8", errors="replace")[-2000:] if program else ""
            raise AssertionError(f"{'It ended' if ended else 'It never came'}: {words}")
        time.sleep(0.05)
