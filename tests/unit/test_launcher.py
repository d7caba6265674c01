"""The command `.venv/bin/innringing`, as ops/machine/venv.py writes it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from desk.paths import ROOT
from ops.machine.venv import COMMAND, REQUIREMENTS

LOADING = """\
import os, sys, time
sys.stdout.write("loading\\n")
sys.stdout.flush()
time.sleep(60)
"""
LOADED = """\
import os, signal, time
def app():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(30)
    except KeyboardInterrupt:
        return 7
"""


def launched(folder: Path, module: str) -> "subprocess.Popen[str]":
    """Start the launcher with this module in place of `innringing`."""
    (folder / "innringing.py").write_text(module)
    command = folder / "command"
    command.write_text(COMMAND.format(python=sys.executable))
    return subprocess.Popen(
        [sys.executable, command],
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_interrupt_while_loading_ends_it_silently(tmp_path: Path) -> None:
    with launched(tmp_path, LOADING) as child:
        assert child.stdout is not None and child.stdout.readline() == "loading\n"
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
    assert (child.returncode, out, err) == (-signal.SIGINT, "", "")


def test_interrupt_after_loading_reaches_the_program(tmp_path: Path) -> None:
    with launched(tmp_path, LOADED) as child:
        _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (7, "")


def test_server_gets_no_test_tools() -> None:
    prerequisites = dict(re.findall(r"(?m)^([a-z-]+):([^#\n]*)", (ROOT / "Makefile").read_text("utf-8")))
    assert {name: prerequisites[name].split() for name in ("run", "up", "down")} == {
        "run": ["venv"],
        "up": ["venv"],
        "down": ["venv"],
    }
    for name in ("test", "unit", "check", "chaos", "fire"):
        assert prerequisites[name].split()[0] == "dev-venv", name
    named = set(re.findall(r"(?m)^([a-z0-9-]+)==", REQUIREMENTS.read_text("utf-8")))
    assert len(named) > 30 and not named & {"pytest", "mypy", "ruff", "hypothesis", "schemathesis", "pre-commit"}
