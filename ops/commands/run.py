"""`innringing run`: the whole service on this machine, for as long as the command runs."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console

from desk.database.errors import StorageUnavailable
from desk.departments.file import load_departments
from desk.errors import DeskError
from desk.paths import ROOT
from desk.schema.migrate import migrate
from desk.settings.group import PREFIX
from desk.settings.settings import Settings
from ivr.prompts.catalogue import PromptsError
from ops.commands.dialplan.candidate import FilesRefused, files_for_start
from ops.commands.prompts import build_with_progress
from ops.commands.terminal import fail, say, settings_here, show, target_is_set, this_command
from ops.machine import asterisk, instance, tree
from ops.machine.apt import AptError
from ops.machine.children import ending_with_parent
from ops.machine.demo_parts import demo_parts
from ops.machine.engine import EngineError
from ops.machine.in_use import AlreadyRunning, only_one_in
from ops.machine.ready import address, doors_are_open, from_here, lacking
from ops.machine.signs_of_life import SignsOfLife

DOORS = ("standby", "ivr", "api")
READY_LIMIT = 60.0
STOP_LIMIT = 15.0
LONGEST_PAUSE = 10.0
STEADY = 10.0
"""Seconds after which a door that ends has served, and is started again at once: callers wait on the line."""
LOOKS_EVERY = 0.1
SYNTHETIC_IDENTITY = "02845853668"
"""An identity number for trying the demo: it can belong to no one, since its month has 80 added."""


class RunError(Exception):
    """The service cannot run. The message is one line."""


class Door:
    """`innringing ivr`, `standby` or `api` as a child process. It is restarted when it ends, with growing pauses.

    One that gave signs of life and has stopped hangs: it is killed first.
    """

    def __init__(self, name: str, environment: str) -> None:
        self.name = name
        self._environment = environment
        self._pause, self._next = 0.0, 0.0
        self._signs = SignsOfLife()
        self._start()

    def _start(self) -> None:
        self.started = time.monotonic()
        self._signs.begin()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "innringing", self.name],
            cwd=ROOT,
            env={**os.environ, f"{PREFIX}ENVIRONMENT": self._environment, "NOTIFY_SOCKET": self._signs.address},
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches only us, and we stop everything in order
            preexec_fn=ending_with_parent(),
        )

    def alive(self) -> bool:
        return self.process.poll() is None

    def look_after(self) -> None:
        """Kill it if it hangs. Restart it if it has ended and its pause is over."""
        now = time.monotonic()
        if self.alive():
            if self._signs.silent():
                say(f"innringing {self.name} hangs: killing it")
                self.process.kill()
                self.process.wait()
            return
        if not self._next:
            self._pause = pause_before_restart(self._pause, now - self.started)
            self._next = now + self._pause
            say(f"innringing {self.name} ended ({self.process.returncode}): restarting it")
        if now >= self._next:
            self._next = 0.0
            self._start()

    def stop(self) -> None:
        self._stop()
        self._signs.close()

    def _stop(self) -> None:
        if not self.alive():
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def pause_before_restart(last: float, lived: float) -> float:
    """Return the seconds before a door is started again, after the `last` pause and `lived` seconds.

    None for one that served; growing for one that ends again and again.
    """
    return 0.0 if lived >= STEADY else min(LONGEST_PAUSE, last * 2 or 0.5)


def run() -> None:
    """Run everything on this machine: Asterisk, the phone door, the web door. Ctrl-C stops it all."""
    stopping, serving = threading.Event(), threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()
        if not serving.is_set():  # no servers to stop yet: leave at once
            raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        settings = settings_to_run()
        with only_one_in(settings.files.var):
            dialplan = _prepare(settings)
            serving.set()
            _serve(settings, stopping, dialplan)
    except KeyboardInterrupt:
        return
    except StorageUnavailable as error:
        _fail(f"cannot connect to the database: {error.advice or 'see INNRINGING_DATABASE_URL'}")
    except (
        RunError,
        FilesRefused,
        AlreadyRunning,
        PromptsError,
        DeskError,
        asterisk.AsteriskError,
        AptError,
        EngineError,
    ) as error:
        _fail(str(error))


def settings_to_run() -> Settings:
    """Load the settings: the demo's, where `make run` has left one and nothing is set.

    Raises SettingsError or RunError.
    """
    settings = settings_here()
    if not settings.demo and not target_is_set():
        raise RunError(
            "nothing is set up here: make run starts the demo; "
            "what production needs is in docs/security.md#before-going-live"
        )
    settings.vault.check_keys()
    return settings


def _prepare(settings: Settings) -> Path | None:
    """Check the settings and ports, migrate the database, and build the prompts. Return the files for Asterisk."""
    load_departments(settings.files.departments)
    for fault in [] if settings.demo else demo_parts(settings.files.departments, instance.DIALPLAN, root=ROOT):
        if not fault.note:
            raise RunError(str(fault))
    asterisk.make_way(settings, settings.files.var / "asterisk")
    for door, name in ((settings.api, "API"), (settings.standby, "STANDBY")):
        if not asterisk.port_is_free(socket.SOCK_STREAM, door.host, door.port):
            raise RunError(f"TCP port {door.port} on {door.host} is taken: set INNRINGING_{name}_PORT")
    build_with_progress(
        settings.files.prompts,
        tools=tree.ensure(tree.ASTERISK) / "bin",
        console=Console(),
        departments_file=settings.files.departments,
    )
    dialplan = files_for_start(settings, settings.files.var / "asterisk", say=_warn)
    os.umask(0o077)  # only this user may read what Asterisk, the doors and we write under var/
    instance.make_private(settings.files.var, within=settings.files.var)
    asyncio.run(migrate(settings.database.url))
    return dialplan


def _serve(settings: Settings, stopping: threading.Event, dialplan: Path | None) -> None:
    """Start Asterisk and the doors, keep them running until `stopping` is set, and stop them in order."""
    doors: list[Door] = []
    server = asterisk.start(settings, dialplan=dialplan, ends_with_parent=True)
    try:
        for name in DOORS:
            if not stopping.is_set():
                doors.append(Door(name, settings.general.environment))
        if _wait_until_ready(settings, doors, stopping):
            for reason in lacking(settings):
                _warn(f"not ready: {reason}")
            _say_where(settings, server)
        while not stopping.wait(LOOKS_EVERY):
            for door in doors:
                door.look_after()
            if not server.alive():
                _restart(server)
    finally:
        for door in reversed(doors):
            door.stop()
        server.stop()


def _restart(server: asterisk.AsteriskServer) -> None:
    """Restart Asterisk. A failure is reported, and tried again: the doors go on, and agents with them."""
    say("Asterisk ended: restarting it")
    try:
        server.restart()
    except asterisk.AsteriskError as error:
        say(f"Asterisk did not start: {error}")


def _wait_until_ready(settings: Settings, doors: Sequence[Door], stopping: threading.Event) -> bool:
    """Wait until both doors serve. False if `stopping` was set first. Raises RunError."""
    end = time.monotonic() + READY_LIMIT
    while not stopping.wait(0.1):
        for door in doors:
            if not door.alive():
                raise RunError(f"innringing {door.name} could not start; see its error above")
        if doors_are_open(settings):
            return True
        if time.monotonic() > end:
            raise RunError(f"not ready after {READY_LIMIT:.0f} seconds; see the output above")
    return False


def _say_where(settings: Settings, server: asterisk.AsteriskServer) -> None:
    departments = load_departments(settings.files.departments).all()
    phones = address(from_here(settings.sip.host), settings.sip.port)
    token = settings.files.var / "demo-token"
    phone = server.instance.folder / "phones.json"
    scheme, web = "https" if settings.api.tls else "http", address(settings.api.host, settings.api.port)
    show("\nInnringing is up.")
    show(f"  Console    {scheme}://{web}/{'   (log in with one click)' if settings.demo else ''}")
    for department in departments:
        show(f"  Ring       sip:{department.extension}@{phones}   {department.name}")
    if settings.demo:
        show(f"  Or try     {this_command()} call {departments[0].extension} --id {SYNTHETIC_IDENTITY}")
    show(f"  Look       {scheme}://{web}/api/docs")
    if settings.demo:
        show(f"  Token      {_shown(token)}")
        show(f"  Softphone  user demo-phone at {phones}, its password in {_shown(phone)}")
    show("  Ctrl-C stops everything.\n")


def _shown(path: Path) -> str:
    """Return the path relative to the current folder, if it is inside."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _warn(line: str) -> None:
    say(f"innringing run: {line}")


def _fail(reason: str) -> NoReturn:
    fail(f"innringing run: {reason}")
