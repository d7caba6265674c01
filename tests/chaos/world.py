"""A whole system under faults: `innringing run`, with a fault proxy before Asterisk and before the database."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Self

import psutil
from sqlalchemy import make_url

from desk.database.errors import StorageUnavailable
from desk.paths import ROOT
from desk.settings.settings import Settings
from ops.machine import postgres, tree
from ops.machine.ready import doors_are_open, lacking
from tests.chaos.stored import Stored, read_stored, spooled
from tests.support.machine.fault_proxy import FaultProxy, faulty
from tests.support.machine.servers import machine_settings
from tests.support.machine.system import Program, run, until, variables
from tests.support.machine.systems import create_database
from tests.support.ports import free_port

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
ENGINES: Final = (SQLITE, POSTGRESQL)
START_LIMIT: Final = 180.0
HEALED_WITHIN: Final = 90.0
"""Seconds after a fault in which a system must be in order again."""
DISK: Final = 48
"""Megabytes of the disks for the database and the spool, which faults fill."""
HOOKS: Final = ROOT / "tests" / "chaos" / "hooks"


class World:
    """One system on one engine. Use as a context manager.

    `ari` and `database` are the proxies; SQLite has no proxy. `disks` says whether database and spool have disks of
    their own, which needs root.
    """

    def __init__(self, folder: Path, engine: str) -> None:
        self.folder = folder
        self.engine = engine
        self.disks = False
        self._running = contextlib.ExitStack()
        self._starting = contextlib.ExitStack()
        self.ari: FaultProxy
        self.database: FaultProxy | None = None
        self.postgres: postgres.Postgres | None = None
        self.supervisor: Program
        self.settings: Settings
        self.url = ""  # the way to the database that no fault is on

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as starting:
            self._starting = starting
            self._make_disks(starting)
            self._make_files()
            ari_port = free_port(socket.SOCK_STREAM)
            self.ari = starting.enter_context(faulty(ari_port))
            url = self._make_database(starting)
            self.settings = machine_settings(
                self.folder / "var",
                database_url=url,
                ari_port=ari_port,
                ari_url=f"http://127.0.0.1:{self.ari.port}",
                spool_dir=self.folder / "spool-disk" / "spool",
                departments_file=self.folder / "departments.toml",
                prompts_dir=self.folder / "prompts",
            )
            others: dict[str, Any] = dict(self._others())
            done = run(self.settings, "migrate", **others)
            assert done.returncode == 0, done.stderr
            self.start()
            self._running = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._running.close()

    def _stop(self) -> None:
        if supervisor := getattr(self, "supervisor", None):
            supervisor.stop()

    # files and programs

    def _make_disks(self, starting: contextlib.ExitStack) -> None:
        for name in ("database-disk", "spool-disk"):
            disk = self.folder / name
            disk.mkdir(parents=True)
            mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m,mode=700", "innringing-chaos", str(disk)]
            self.disks = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
            if self.disks:
                starting.callback(subprocess.run, ["umount", "-l", str(disk)], capture_output=True, check=False)

    def _make_files(self) -> None:
        shutil.copytree(ROOT / "prompts", self.folder / "prompts", copy_function=os.link, symlinks=True)
        departments = (ROOT / "dialplan" / "departments.toml").read_text("utf-8")
        assert "[hjerte]\n" in departments
        text = departments.replace("[hjerte]\n", "[hjerte]\nrecording = true\n")
        (self.folder / "departments.toml").write_text(text, "utf-8")

    def _make_database(self, starting: contextlib.ExitStack) -> str:
        if self.engine != POSTGRESQL:
            self.url = f"sqlite+aiosqlite:///{self.folder / 'database-disk' / 'innringing.db'}"
            return self.url
        self.postgres = starting.enter_context(postgres.start(durable=True))
        self.url = asyncio.run(create_database(self.postgres))
        self.database = starting.enter_context(faulty(self.postgres.port))
        return make_url(self.url).set(port=self.database.port).render_as_string(hide_password=False)

    def _others(self) -> dict[str, str]:
        return {
            "ARI_URL": self.settings.ari.url,
            "SPOOL_DIR": str(self.settings.files.spool_folder),
            "PROMPTS_DIR": str(self.settings.files.prompts),
            "RUNNER": "tree",
        }

    def environment(self) -> dict[str, str]:
        """The environment of our programs. Its hooks let a fault move the clock of a process, or hang it."""
        return variables(self.settings, **self._others()) | {
            "PYTHONPATH": str(HOOKS),
            "CHAOS_CLOCK": str(self.clock_file),
        }

    @property
    def clock_file(self) -> Path:
        """Has the seconds that our programs' clocks are ahead."""
        return self.folder / "clock"

    @property
    def spool(self) -> Path:
        return self.settings.files.spool_folder

    @property
    def sqlite_file(self) -> Path:
        return self.folder / "database-disk" / "innringing.db"

    def start(self) -> None:
        """Start the supervisor, and wait until both doors are open."""
        self.supervisor = Program("run", self.environment(), self.folder / "run.said")
        try:
            until(lambda: doors_are_open(self.settings), self.supervisor, seconds=START_LIMIT)
        except BaseException:
            self.supervisor.stop()
            raise

    def second_ivr(self) -> Program:
        """Start another phone door for the same Asterisk and database, with files of its own."""
        other = self.environment() | {
            "INNRINGING_VAR_DIR": str(self.folder / "second"),
            "INNRINGING_SPOOL_DIR": str(self.folder / "second-spool"),
        }
        (self.folder / "second").mkdir(exist_ok=True)
        keys = self.settings.files.var / "keys.env"
        shutil.copy(keys, self.folder / "second" / "keys.env")
        return Program("ivr", other, self.folder / "second.said")

    def pid(self, door: str) -> int | None:
        """The process id of `ivr`, `api`, `asterisk` or `supervisor`; None where it is not running."""
        if door == "supervisor":
            return self.supervisor.pid
        if door == "asterisk":
            with contextlib.suppress(OSError, ValueError):
                return int((self.settings.files.var / "asterisk" / "pid").read_text())
            return None
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.supervisor.pid).children():
                if child.cmdline()[-1:] == [door]:
                    return child.pid
        return None

    def send(self, door: str, number: signal.Signals) -> None:
        """Send a signal to a door, to Asterisk or to the supervisor, if it is running."""
        pid = self.pid(door)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def console(self, command: str) -> str:
        """Run a command in Asterisk's console. Empty where it is not running."""
        folder = self.settings.files.var / "asterisk" / "etc" / "asterisk.conf"
        program = tree.ensure(tree.ASTERISK) / "bin" / "rasterisk"
        try:
            done = subprocess.run(
                [program, "-C", folder, "-x", command], capture_output=True, text=True, check=False, timeout=10
            )
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout

    # what is left

    def channels(self) -> int:
        """The number of channels in Asterisk; -1 where it does not say."""
        lines = self.console("core show channels count").splitlines()
        line = next((line for line in lines if "active channel" in line), "-1")
        return int(line.split()[0])

    def waits(self) -> int:
        """The number of files in the spools."""
        return spooled(self.spool) + spooled(self.folder / "second-spool")

    def damaged(self) -> int:
        """The number of spooled files that were set aside."""
        return spooled(self.spool / "damaged")

    async def stored(self) -> Stored:
        """Read what is stored, past the proxy."""
        return await read_stored(self.settings, self.url)

    async def healed(self) -> list[str]:
        """Wait until everything is in order, and no call is left. Returns what is still not in order at the end."""
        end = time.monotonic() + HEALED_WITHIN
        while faults := await self._faults():
            if time.monotonic() > end:
                return faults
            await asyncio.sleep(1)
        return []

    async def _faults(self) -> list[str]:
        faults = await asyncio.to_thread(lacking, self.settings)
        if channels := await asyncio.to_thread(self.channels):
            faults.append(f"{channels} channels in Asterisk")
        if waiting := self.waits():
            faults.append(f"{waiting} files in the spool")
        try:
            open_calls = sum(
                each.incomplete and each.why is None for calls in (await self.stored()).calls.values() for each in calls
            )
        except StorageUnavailable:
            return [*faults, "the database can't be read"]
        return [*faults, *([f"{open_calls} calls without an end"] if open_calls else [])]


@contextlib.contextmanager
def world(engine: str, kind: type[World] = World) -> Iterator[World]:
    """A running system in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix=f"innringing-chaos-{engine}-"))
    try:
        with kind(folder, engine) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def while_true(condition: Callable[[], bool], seconds: float) -> None:
    """Wait while the condition holds, up to `seconds`."""
    end = time.monotonic() + seconds
    while condition() and time.monotonic() < end:  # noqa: ASYNC110  # anything may be waited for here
        await asyncio.sleep(0.1)
