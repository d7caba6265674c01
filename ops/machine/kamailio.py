"""Start a Kamailio before several Asterisks, from the tree, in a folder (tests, and trials on one machine)."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from desk.settings.child_environment import child_environment
from ops.machine import tree
from ops.machine.kamailio_files import CONFIGURATION, OwnTls, put, write

START_LIMIT = 20.0
STOP_LIMIT = 10.0


class KamailioError(Exception):
    """Kamailio can't be started."""


class Kamailio:
    """A Kamailio with its files in `folder`. Addresses are `host:port`. Use as a context manager."""

    def __init__(
        self,
        folder: Path,
        *,
        listen: str,
        nodes: Sequence[str],
        trunk: Sequence[str],
        mark: str = "0" * 32,
        tls: OwnTls | None = None,
    ) -> None:
        """`nodes`: the Asterisks' SIP addresses. `trunk`: the telephone company's.

        `mark`: the nodes' `sip_proxy_mark`. With `tls` it listens over TLS alone, but for the telephone company.
        """
        self.folder, self.listen = folder, listen
        folder.mkdir(parents=True, exist_ok=True)
        write(folder, listen=listen, nodes=nodes, trunk=trunk, mark=mark, tls=tls)
        put(folder, folder)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._child is None:
            raise KamailioError("Kamailio is not running")
        return self._child.pid

    @property
    def log(self) -> Path:
        return self.folder / "kamailio.log"

    def __enter__(self) -> Self:
        installed = tree.ensure(tree.KAMAILIO)
        modules = tree.libraries_folder(installed) / "kamailio" / "modules"
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [
                    *(installed / "bin" / "kamailio", "-DD", "-E", "-m", "32", "-M", "8"),
                    *("-L", modules, "-w", self.folder, "-Y", self.folder, "-f", self.folder / CONFIGURATION.name),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=child_environment(),
                start_new_session=True,
            )
        end = time.monotonic() + START_LIMIT
        while not (self.folder / "kamailio_ctl").exists():  # it opens this socket for kamcmd
            if self._child.poll() is not None or time.monotonic() > end:
                self.__exit__()
                raise KamailioError(f"Kamailio did not start: {self.log.read_text('utf-8', 'replace')[-500:]}")
            time.sleep(0.05)
        return self

    def command(self, *words: str) -> str:
        """Run a command of kamcmd and return its output."""
        program = tree.ensure(tree.KAMAILIO) / "bin" / "kamcmd"
        socket = f"unix:{self.folder / 'kamailio_ctl'}"
        return subprocess.run(
            [program, "-s", socket, *words], capture_output=True, text=True, check=False, timeout=10
        ).stdout

    def __exit__(self, *_: object) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.terminate()
        try:
            child.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
