"""Find the Asterisk of a var folder, started by `innringing run` or by `make up`, and talk to its console."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from desk.files.file_lock import locked
from desk.settings.settings import Settings
from ops.machine import engine, tree
from ops.machine.instance import configuration_of

CONSOLE_LIMIT = 30  # seconds


class NotRunning(Exception):
    """No Asterisk of this folder responds, or another reload is under way. The message is one line."""


@dataclass(frozen=True)
class RunningAsterisk:
    """The folder of a running Asterisk, and the start of the command line of its console.

    In a container its files belong to the container's user.
    """

    folder: Path
    command: tuple[str, ...]
    in_container: bool

    def console(self, command: str) -> str:
        arguments = [*self.command, "-C", str(configuration_of(self.folder)), "-x", command]
        return subprocess.run(
            arguments, capture_output=True, text=True, check=False, timeout=CONSOLE_LIMIT, stdin=subprocess.DEVNULL
        ).stdout

    def give_files(self) -> None:
        """Make files that we have written readable for Asterisk."""
        if self.in_container:
            engine.give(self.folder / "etc")


def find(settings: Settings) -> RunningAsterisk:
    """Find the Asterisk of this var folder. Raises NotRunning."""
    for folder in (settings.files.var / "asterisk", settings.files.var / "compose" / "asterisk"):
        if running := find_in(folder):
            return running
    raise NotRunning(f"no Asterisk responds in {settings.files.var}: start it with innringing run or make up")


def find_in(folder: Path) -> RunningAsterisk | None:
    """Find the Asterisk that was prepared in `folder`. None if it does not respond."""
    folder = folder.absolute()
    for command, in_container in _ways(folder):
        running = RunningAsterisk(folder, command, in_container)
        if "fully booted" in running.console("core waitfullybooted"):
            return running
    return None


@contextlib.contextmanager
def alone_with(running: RunningAsterisk) -> Iterator[None]:
    """Keep other reloads of this Asterisk out of the block. Raises NotRunning if one is under way."""
    with locked(running.folder / "reload.lock") as lock:
        if lock is None:
            raise NotRunning("another reload is under way; nothing was touched")
        yield


def _ways(folder: Path) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Iterate over the programs that could reach the console: that of its container, or that of the tree."""
    if not configuration_of(folder).exists():
        return
    if engine.answers():
        for name in engine.docker("ps", "--no-trunc", "--format", "{{.Names}}\t{{.Command}}").splitlines():
            container, _, command = name.partition("\t")
            if os.fspath(configuration_of(folder)) in command:
                yield ("docker", "exec", container, "rasterisk"), True
    if installed := tree.built(tree.ASTERISK):
        yield (str(installed / "bin" / "rasterisk"),), False
