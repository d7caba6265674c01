"""The bare aioari script in the place of our product: the same callers, faults and ledger."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Final

import psutil

from desk.errors import SettingsError
from desk.paths import ROOT
from ops.machine import asterisk
from tests.chaos.stored import Stored, StoredCallback
from tests.chaos.world import World
from tests.support.environment import without_ours
from tests.support.machine.system import until

CONTROL: Final = "control"
EXTENSION: Final = "3000"
DIALPLAN: Final = f"""
[departments](+)
exten => {EXTENSION},1,Answer()
 same => n,Set(CHANNEL(language)=nb)
 same => n,Stasis(bare)
 same => n,Hangup()
"""
LOOP: Final = 'while true; do "$0" -m tests.chaos.bare_script; sleep 0.5; done'
SETTLES: Final = 5.0


class BareWorld(World):
    """Asterisk and the script, in a loop of the shell."""

    def start(self) -> None:
        """Start both, and wait until the script is connected."""
        self._asterisk = self._starting.enter_context(
            asterisk.start(self.settings, extra={"extensions.conf": DIALPLAN})
        )
        password = self.settings.ari.password
        if password is None:
            raise SettingsError("no ARI password")
        variables = {
            "BARE_DATABASE": str(self.folder / "database-disk" / "bare.db"),
            "BARE_ARI": f"{self.settings.ari.url}/",
            "BARE_PASSWORD": password.get_secret_value(),
        }
        with (self.folder / "run.said").open("ab") as said:
            self._loop = subprocess.Popen(
                ["sh", "-c", LOOP, sys.executable],
                cwd=ROOT,
                env=without_ours() | variables,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        self._starting.callback(self._end)
        until(lambda: "bare" in self.console("ari show apps"))

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._loop.pid, signal.SIGKILL)
        self._loop.wait()

    def pid(self, door: str) -> int | None:
        """The script's process id in the place of the phone door's; there is no other door."""
        if door == "asterisk":
            return super().pid(door)
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self._loop.pid).children():
                if door == "ivr" and "tests.chaos.bare_script" in child.cmdline():
                    return child.pid
        return None

    @property
    def sqlite_file(self) -> Path:
        return self.folder / "database-disk" / "bare.db"

    async def stored(self) -> Stored:
        """The script's only table. It keeps no calls."""
        found = defaultdict[str, list[StoredCallback]](list)
        with contextlib.closing(sqlite3.connect(self.sqlite_file)) as connection:
            for phone, identity in connection.execute("select phone, identity from callbacks"):
                found[phone].append(StoredCallback(phone, identity, 1))
        return Stored(dict(found), {})

    async def healed(self) -> list[str]:
        """Wait a little, and count the calls that are left."""
        end = time.monotonic() + SETTLES
        while (left := self.channels()) and time.monotonic() < end:  # noqa: ASYNC110  # Asterisk is asked
            await asyncio.sleep(1)
        return [f"{left} channels in Asterisk"] if left else []
