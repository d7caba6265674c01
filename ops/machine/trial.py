"""Load the operators' files in a second, throw-away Asterisk, and read what it says about them.

It has its own folder and no telephone: it listens only on a free port of this machine, sends nothing, and is killed
after a second.
"""

from __future__ import annotations

import re
import secrets
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from pydantic import SecretStr

from desk.settings.settings import Settings
from ops.machine import asterisk, engine, images, instance, tree
from ops.machine.asterisk import AsteriskProcess, ContainerProcess, Runner, TreeProcess

BOOT_LIMIT = 20.0  # seconds
REACHES_OUT = re.compile(
    r"\s*(?:pre)?load\s*=>?\s*(?:res_pjsip_outbound_registration|res_pjsip_outbound_publish|res_xmpp|res_hep\w*"
    r"|res_statsd|res_snmp|pbx_dundi|chan_(?!pjsip)\w+)\b"
)
"""Modules that would contact others. They are left out here."""
_NOT_HERE = re.compile(r"\s*(?P<key>bind|qualify_frequency|match)\s*=\s*(?P<value>[^;]*)")
_LOGGED = re.compile(r"(?:WARNING|ERROR)\[\d+\]\S* (?P<where>\S+?): (?P<text>.*)")
_PLACE = re.compile(r"line (?P<line>\d+) of (?:file )?(?P<file>\S+?\.conf|$)")


class NoTrial(Exception):
    """There is no Asterisk on this machine to ask. The message is one line."""


@dataclass(frozen=True)
class Complaint:
    """What Asterisk said about a line of a file in etc/, such as `pjsip.conf` or `local/extensions.conf`.

    For a wrong option of pjsip.conf it gives the line without the file.
    """

    file: str | None
    line: int | None
    text: str


class Trial:
    """A throw-away Asterisk that has loaded the files."""

    def __init__(self, made: instance.Instance, process: AsteriskProcess) -> None:
        self._made, self._process = made, process

    @property
    def folder(self) -> Path:
        return self._made.folder

    def complaints(self) -> list[Complaint]:
        """Return what it logged as warnings and errors, each once and in order."""
        found = [_complaint(self._made.folder / "etc", line) for line in self._made.complaints()]
        return [*dict.fromkeys(each for each in found if each)]

    def console(self, command: str) -> str:
        return self._process.console(command)


@contextmanager
def trial(settings: Settings, dialplan: Path, *, local: Path | None = None) -> Iterator[Trial]:
    """Start an Asterisk with the files of `dialplan`, and kill it at the end of the block.

    `local` is this machine's own extensions.conf. Raises NoTrial without an Asterisk, SettingsError, and AsteriskError
    if it does not start with these files.
    """
    runner = _runner(settings)
    installed = tree.built(tree.ASTERISK) if runner == "tree" else Path("/")
    assert installed is not None
    with tempfile.TemporaryDirectory(prefix="innringing-check-", ignore_cleanup_errors=True) as folder:
        quiet = settings.changed(ari_password=SecretStr(secrets.token_urlsafe()), ari_reader_password=None)
        made = instance.prepare(quiet, Path(folder) / "asterisk", installed, dialplan=dialplan)
        process: AsteriskProcess | None = None
        try:
            _keep_to_itself(made.folder / "etc", local)
            process = (
                ContainerProcess(made, settings)
                if runner == "docker"
                else TreeProcess(made, installed / "bin", ends_with_parent=True)
            )
            _wait(made, process)
            yield Trial(made, process)
        finally:
            if process:
                process.signal(signal.SIGKILL)
                process.wait(asterisk.STOP_LIMIT)
                process.remove()
            instance.remove(made)


def _runner(settings: Settings) -> Runner:
    """Choose as the service does, but download and build nothing."""
    wanted = settings.general.runner
    if wanted != "tree" and engine.answers() and images.built(images.ASTERISK):
        return "docker"
    if wanted != "docker" and tree.built(tree.ASTERISK):
        return "tree"
    raise NoTrial("Asterisk is not installed yet, so it was not asked: innringing run or make up installs it")


def _wait(made: instance.Instance, process: AsteriskProcess) -> None:
    end = time.monotonic() + BOOT_LIMIT
    while not (made.run / "asterisk.ctl").exists() or "fully booted" not in process.console("core waitfullybooted"):
        if not process.alive() or time.monotonic() > end:
            said = made.complaints()
            logged = _LOGGED.search(said[-1]) if said else None
            raise asterisk.AsteriskError(logged["text"] if logged else "it ended without a reason")
        time.sleep(0.02)


def _keep_to_itself(etc: Path, local: Path | None) -> None:
    """Change what would open ports, ask name servers or send packets. The lines keep their numbers."""
    if local and local.exists():
        instance.write_private(etc / "local" / "extensions.conf", local.read_text("utf-8"))
    instance.write_private(etc / "http.conf", "[general]\nenabled=no\n")
    instance.write_private(etc / "logger.conf", "[general]\n[logfiles]\nmessages.log => notice,warning,error\n")
    for path in (etc / "pjsip.conf", etc / instance.DEMO, etc / "local" / "pjsip.conf"):
        if path.exists():
            lines = path.read_text("utf-8").split("\n")
            instance.write_private(path, "\n".join(_harmless(line) for line in lines))
    modules = etc / "modules.conf"
    lines = modules.read_text("utf-8").split("\n")
    instance.write_private(modules, "\n".join("" if REACHES_OUT.match(line) else line for line in lines))


def _harmless(line: str) -> str:
    setting = _NOT_HERE.match(line)
    if setting is None:
        return line
    match setting["key"]:
        case "bind":
            return f"bind=127.0.0.1:{_free_port()}"
        case "qualify_frequency":
            return "qualify_frequency=0"
        case _:
            return f"match={','.join(_address(part.strip()) for part in setting['value'].split(','))}"


def _free_port() -> int:
    """Return a port that is free now: pjsip takes 0 as 5060."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _address(text: str) -> str:
    """Return an address as it is, and another for a host name, so that no name server is asked."""
    try:
        ip_network(text, strict=False)
    except ValueError:
        return text if re.fullmatch(r"[\d.:/]*", text) else "192.0.2.1"
    return text


def _complaint(etc: Path, logged: str) -> Complaint | None:
    if (parts := _LOGGED.search(logged)) is None:
        return None
    text = parts["text"].replace(f"{etc}/", "").removeprefix("process_text_line: ")
    place = _PLACE.search(text)
    return Complaint(place["file"] or None, int(place["line"]), text) if place else Complaint(None, None, text)
