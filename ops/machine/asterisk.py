"""Start and stop Asterisk: in a container where a Docker engine responds, else from the tree of unpacked packages."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, Protocol, Self

from desk.paths import ROOT
from desk.settings.child_environment import child_environment
from desk.settings.settings import Settings
from ops.machine import engine, images, tree
from ops.machine.children import ending_with_parent
from ops.machine.instance import (
    DIALPLAN,
    Instance,
    configuration_of,
    drop_recordings,
    make_recordings,
    prepare,
    write_private,
)
from ops.machine.ready import ari_finds

START_LIMIT = 30.0  # seconds until ARI must respond
LARGEST_FILE = 32 << 20
"""Bytes. A log that reaches it is rotated, and two old ones are kept, so that the disk can't fill up."""
CLEAN_LOG = "with-clean-log"
"""Starts Asterisk, with its log without callers' numbers: docker/with-clean-log."""
LIMITS = f"umask 077; ulimit -f {LARGEST_FILE // 512}"
STOP_LIMIT = 10.0

Runner = Literal["docker", "tree"]


class AsteriskError(Exception):
    """Asterisk can't be started."""


class AsteriskProcess(Protocol):
    """A running Asterisk, from the tree or in a container."""

    @property
    def pid(self) -> int: ...
    def alive(self) -> bool: ...
    def signal(self, number: signal.Signals) -> None: ...
    def wait(self, seconds: float) -> bool: ...
    def remove(self) -> None: ...
    def console(self, command: str) -> str: ...


def _before_asterisk(ends_with_parent: bool) -> Callable[[], None]:
    ending = ending_with_parent() if ends_with_parent else None

    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        if ending:
            ending()

    return prepare


class TreeProcess:
    """Asterisk from the tree, as a child in its own session, so that Ctrl-C reaches only us."""

    def __init__(self, instance: Instance, programs: Path, *, ends_with_parent: bool) -> None:
        self._instance, self._programs = instance, programs
        console = instance.folder / "log" / "console.log"
        console.touch(0o600)
        with console.open("ab") as log:
            self._child = subprocess.Popen(
                [
                    ROOT / "docker" / CLEAN_LOG,
                    *_log_of(instance),
                    programs / "asterisk",
                    "-f",
                    "-C",
                    instance.configuration,
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # with debugging on, Asterisk prints digits there, past its logger
                stderr=log,
                cwd=instance.folder,
                env=child_environment(),
                umask=0o077,
                start_new_session=True,
                preexec_fn=_before_asterisk(ends_with_parent),
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    def alive(self) -> bool:
        return self._child.poll() is None

    def signal(self, number: signal.Signals) -> None:
        if self.alive():
            self._child.send_signal(number)

    def wait(self, seconds: float) -> bool:
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def remove(self) -> None:
        """Do nothing: an ended process leaves nothing behind."""

    def console(self, command: str) -> str:
        return _console([str(self._programs / "rasterisk"), "-C", str(self._instance.configuration), "-x", command])


class ContainerProcess:
    """Asterisk in a container on the host's network, as our own user, with its folders at the same paths."""

    def __init__(self, instance: Instance, settings: Settings) -> None:
        self._configuration = str(instance.configuration)
        self._program = ("asterisk", "-f", "-C", self._configuration)
        self._container = engine.Container(engine.container_name("asterisk", instance.folder))
        engine.give(instance.folder, instance.run, instance.recordings)
        self._container.start(
            images.ASTERISK,
            # as in TreeProcess
            ["sh", "-c", f'{LIMITS}; exec "$@" > /dev/null', "sh", CLEAN_LOG, *_log_of(instance), *self._program],
            folders={
                instance.folder: "rw",
                instance.run: "rw",
                instance.recordings: "rw",
                settings.files.prompts: "ro",
            },
        )

    @property
    def pid(self) -> int:
        return self._container.pid()

    def alive(self) -> bool:
        return self._container.running()

    def signal(self, number: signal.Signals) -> None:
        self._container.signal(number.name)

    def wait(self, seconds: float) -> bool:
        return _until(lambda: not self.alive(), seconds)

    def remove(self) -> None:
        self._container.remove()

    def console(self, command: str) -> str:
        return _console([*self._container.inside(), "rasterisk", "-C", self._configuration, "-x", command])


class AsteriskServer:
    """An Asterisk with its instance folder. `stop()` leaves nothing behind. Also a context manager."""

    def __init__(
        self, settings: Settings, instance: Instance, runner: Runner, *, ends_with_parent: bool = False
    ) -> None:
        self.settings, self.instance, self.runner = settings, instance, runner
        self._ends_with_parent = ends_with_parent
        self._process: AsteriskProcess | None = None

    @property
    def pid(self) -> int:
        """The process id of Asterisk itself, as seen from this machine."""
        return self._running().pid

    def alive(self) -> bool:
        return self._process is not None and self._process.alive()

    def launch(self) -> None:
        """Start, and wait until ARI responds. Raises AsteriskError with the first error line."""
        make_way(self.settings, self.instance.folder)
        make_recordings(self.instance.folder)
        if self.runner == "docker":
            self._process = ContainerProcess(self.instance, self.settings)
        else:
            programs = tree.ensure(tree.ASTERISK) / "bin"
            self._process = TreeProcess(self.instance, programs, ends_with_parent=self._ends_with_parent)
        try:
            write_private(self.instance.folder / "pid", f"{self._process.pid}\n")
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Hang up all calls and end. Kill the process if it does not end in time."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End at once, like a crash (kill -9)."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.launch()

    def console(self, command: str) -> str:
        """Run a command in Asterisk's console and return its output."""
        return self._running().console(command)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _running(self) -> AsteriskProcess:
        if self._process is None:
            raise AsteriskError("Asterisk isn't running")
        return self._process

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.signal(number)
        if not process.wait(STOP_LIMIT):
            process.signal(signal.SIGKILL)
            process.wait(STOP_LIMIT)
        process.remove()
        drop_recordings(self.instance.folder)
        (self.instance.folder / "pid").unlink(missing_ok=True)

    def _wait_until_ready(self) -> None:
        ready = _until(lambda: not self.alive() or self._answers(), START_LIMIT)
        if not ready or not self.alive():
            raise AsteriskError(f"Asterisk did not start: {self._last_words()}")
        self.console("core waitfullybooted")

    def _answers(self) -> bool:
        return ari_finds(self.settings, "asterisk/ping")

    def _last_words(self) -> str:
        lines = self.instance.complaints()
        console = self.instance.folder / "log" / "console.log"
        if not lines and console.exists():
            lines = console.read_text(encoding="utf-8", errors="replace").splitlines()[-1:]
        return lines[0] if lines else f"nothing in {self.instance.log}"


def start(
    settings: Settings,
    folder: Path | None = None,
    *,
    dialplan: Path | None = DIALPLAN,
    extra: Mapping[str, str] | None = None,
    ends_with_parent: bool = False,
) -> AsteriskServer:
    """Start Asterisk in `folder` (default: `asterisk` in the var folder). `dialplan`, `extra`: see `prepare`.

    With `ends_with_parent` it also ends when this process is killed; start it from the main thread then. Raises
    AsteriskError or SettingsError, each with one line.
    """
    runner = choose_runner(settings)
    if runner == "docker":
        images.ensure(images.ASTERISK)
    installed = Path("/") if runner == "docker" else tree.ensure(tree.ASTERISK)
    instance = prepare(settings, folder or settings.files.var / "asterisk", installed, dialplan=dialplan, extra=extra)
    asterisk = AsteriskServer(settings, instance, runner, ends_with_parent=ends_with_parent)
    asterisk.launch()
    return asterisk


def choose_runner(settings: Settings) -> Runner:
    if settings.general.runner == "auto":
        return "docker" if engine.answers() else "tree"
    if settings.general.runner == "docker" and not engine.answers():
        raise AsteriskError("no Docker engine responds, and INNRINGING_RUNNER is docker")
    return settings.general.runner


def make_way(settings: Settings, folder: Path) -> None:
    """End a leftover Asterisk of this folder, then check that the ports are free. Raises AsteriskError."""
    if _end_leftover(folder.absolute()):
        _until(lambda: _taken_port(settings) is None, STOP_LIMIT)  # sockets may close after the process has ended
    check_ports(settings)


def check_ports(settings: Settings) -> None:
    """Raise AsteriskError with the first of Asterisk's ports that is taken, and the setting that changes it.

    The doors' ports are none of them: their doors go on while Asterisk is started again.
    """
    taken = _taken_port(settings)
    if taken is not None:
        raise AsteriskError(taken)


def _taken_port(settings: Settings) -> str | None:
    wanted = [(socket.SOCK_STREAM, "127.0.0.1", settings.ari.port, "INNRINGING_ARI_PORT")]
    if settings.sip.in_clear:
        wanted.append((socket.SOCK_DGRAM, settings.sip.host, settings.sip.port, "INNRINGING_SIP_PORT"))
    if settings.sip.encryption != "off":
        wanted.append((socket.SOCK_STREAM, settings.sip.host, settings.sip.tls_port, "INNRINGING_SIP_TLS_PORT"))
    for kind, host, port, name in wanted:
        if not port_is_free(kind, host, port):
            if not port_is_free(kind, host, 0):
                return f"{host} is no address of this machine: set INNRINGING_SIP_HOST to one that it has"
            protocol = "UDP" if kind == socket.SOCK_DGRAM else "TCP"
            return f"{protocol} port {port} on {host} is taken: set {name} to another"
    return None


def port_is_free(kind: socket.SocketKind, host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as trial:
        if kind == socket.SOCK_STREAM:  # ignore old connections in TIME_WAIT
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError:
            return False
    return True


def _end_leftover(folder: Path) -> bool:
    """End an Asterisk of this folder whose parent was killed. True if there was one.

    The folder has its process id, and its command line must contain the folder's configuration file.
    """
    noted = folder / "pid"
    if not noted.exists():
        return False
    pid = int(noted.read_text(encoding="ascii").strip() or 0)
    command = Path(f"/proc/{pid}/cmdline")
    try:
        if not pid or os.fsencode(configuration_of(folder)) not in command.read_bytes().split(b"\0"):
            return False
        os.kill(pid, signal.SIGTERM)
        if not _until(lambda: not command.exists() or not command.read_bytes(), STOP_LIMIT):
            os.kill(pid, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        pass
    finally:
        noted.unlink(missing_ok=True)
    return True


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def _log_of(instance: Instance) -> tuple[str, str]:
    return str(instance.folder / "log"), str(LARGEST_FILE)


def _console(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout
