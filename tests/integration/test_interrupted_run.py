"""An interrupted test run leaves no process behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desk.paths import ROOT
from tests.support.machine.reaping import POLITE_SECONDS

SERVER = """\
import signal, socket
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
server = socket.create_server(("127.0.0.1", 0))
print("listening", flush=True)
server.accept()
"""
TEST = """\
import os, subprocess, sys, time
from desk.settings.child_environment import child_environment

def test_with_a_server(tmp_path_factory):
    child = subprocess.Popen(
        [sys.executable, {server!r}], stdout=subprocess.PIPE, start_new_session=True, cwd={folder!r},
        env=child_environment(),  # as Asterisk and PostgreSQL are started
    )
    child.stdout.readline()
    with open({noted!r} + ".new", "w") as file:
        file.write(f"{{os.getpid()}} {{child.pid}}")
    os.rename({noted!r} + ".new", {noted!r})
    time.sleep(600)
"""
VARIABLES = {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", POLITE_SECONDS: "0.5"}
SECONDS = 60.0


class Run:
    """A pytest run in a process of its own, whose one test has started a server and waits."""

    def __init__(self, folder: Path, *options: str) -> None:
        noted, server = folder / "noted", folder / "server.py"
        server.write_text(SERVER)
        (folder / "conftest.py").write_text('pytest_plugins = ["tests.support.machine.reaping"]\n')
        test = TEST.format(server=str(server), noted=str(noted), folder=str(folder))
        (folder / "test_small.py").write_text(test)
        self._child = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "xdist", f"--rootdir={folder}", *options, folder],
            cwd=folder,
            env={**os.environ, **VARIABLES},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until(lambda: noted.exists() or self._child.poll() is not None)
        self.worker, self.server = map(int, noted.read_text().split())

    @property
    def pid(self) -> int:
        return self._child.pid

    def interrupt(self) -> None:
        """As Ctrl-C in a terminal: every process of the run gets the signal."""
        os.killpg(self._child.pid, signal.SIGINT)

    def ended(self) -> bool:
        return self._child.poll() is not None

    def end(self) -> None:
        self._child.kill()
        self._child.wait()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether it runs. A process that has ended and waits for its parent doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(params=[(), ("-n", "1")], ids=["alone", "with workers"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    running = Run(tmp_path, *request.param)
    yield running
    running.end()


def test_interrupt_ends_the_run_and_its_servers(run: Run) -> None:
    assert alive(run.server)
    run.interrupt()
    until(lambda: run.ended() and not alive(run.worker) and not alive(run.server))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_killed_run_takes_its_servers_with_it(run: Run, number: signal.Signals) -> None:
    os.kill(run.pid, number)
    until(lambda: run.ended() and not alive(run.worker) and not alive(run.server))


def test_killed_worker_takes_its_servers_with_it(tmp_path: Path) -> None:
    run = Run(tmp_path, "-n", "1", "--max-worker-restart=0")
    try:
        os.kill(run.worker, signal.SIGKILL)
        until(lambda: run.ended() and not alive(run.server))
    finally:
        run.end()
