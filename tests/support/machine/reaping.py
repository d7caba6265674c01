"""A pytest plugin: what a test process starts ends with it, also when the process is interrupted or killed.

Fixtures stop their servers when they are torn down. This is for a process that gets no time for that: a second Ctrl-C,
a worker that the controller gives up, a kill.
"""

import os
import secrets
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

MARK = "TEST_PROCESS"
"""An environment variable that everything started by this process inherits."""
POLITE_SECONDS = "TEST_POLITE_SECONDS"
_REAPER = pytest.StashKey[subprocess.Popen[bytes]]()


def pytest_configure(config: pytest.Config) -> None:
    """Start a reaper for this process, and let SIGTERM interrupt tests as Ctrl-C does."""
    os.environ[MARK] = f"{os.getpid()}-{secrets.token_hex(8)}"
    seconds = os.environ.get(POLITE_SECONDS, "5")
    config.stash[_REAPER] = subprocess.Popen(
        [sys.executable, "-I", Path(__file__).with_name("reaper.py"), MARK, os.environ[MARK], seconds],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def containers_are_reaped(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tell the reaper where this process's containers have their files."""
    pipe = pytestconfig.stash[_REAPER].stdin
    assert pipe is not None
    pipe.write(f"{tmp_path_factory.getbasetemp()}\n".encode())
    pipe.flush()
