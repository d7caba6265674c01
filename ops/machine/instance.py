"""Prepare the folder of one Asterisk: copies of the operators' files, and generated files for this machine."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from desk.errors import SettingsError
from desk.files.errors import OperatorsFileError
from desk.files.toml_files import read_text
from desk.paths import ROOT
from desk.settings.settings import Settings
from ops.machine import sip_security, trunk

DIALPLAN = ROOT / "dialplan"
UNUSED = ("acl", "ccss", "features", "pjproject", "stasis", "udptl", "websocket_client")
"""Parts of Asterisk's core that log an error at start-up if they have no file, even if they are not used."""
DEMO = "demo.conf"
"""The file that pjsip.conf includes in the demo: dialplan/demo/pjsip.conf."""
PHONES = "phones.conf"
"""The file in local/ with the passwords of the phones."""
SWITCHBOARD = "switchboard.conf"
"""The file in local/ with INNRINGING_SWITCHBOARD."""
OWN = "extensions.conf"
"""The file in local/ that is this machine's own. It is written once; the others are written at each start."""
SOCKET_PATH_LIMIT = 107  # bytes in sockaddr_un
MEMORY = Path("/dev/shm")
"""A file system in memory, where the machine has one."""


@dataclass(frozen=True)
class Instance:
    """The folders of one Asterisk. `passwords` are those of its phones."""

    folder: Path
    run: Path
    passwords: Mapping[str, str]

    @property
    def recordings(self) -> Path:
        """The folder for callers' recordings, which are there for seconds until they are sealed."""
        return (self.folder / "spool" / "recording").resolve()

    @property
    def configuration(self) -> Path:
        return configuration_of(self.folder)

    @property
    def log(self) -> Path:
        """The log with notices, warnings and errors. It never contains callers' digits."""
        return self.folder / "log" / "messages.log"

    def complaints(self) -> list[str]:
        """Return the warnings and errors in the log."""
        if not self.log.exists():
            return []
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if "WARNING[" in line or "ERROR[" in line]


def configuration_of(folder: Path) -> Path:
    return folder / "etc" / "asterisk.conf"


def prepare(
    settings: Settings,
    folder: Path,
    installed: Path,
    *,
    dialplan: Path | None = DIALPLAN,
    extra: Mapping[str, str] | None = None,
    memory: Path | None = MEMORY,
) -> Instance:
    """Write the folder of an instance, with copies of the operators' files in `dialplan`, or with those it has (None).

    `installed` is where the packages are: the tree, or `/` in a container. `extra` has text to append to files in
    local/ (`{"extensions.conf": "[bench]…"}`). `memory` is where recordings go; None if the container mounts its own.
    """
    folder = folder.absolute()
    for name in ("etc/local", "data/sounds", "spool", "log", "db", "keys"):
        make_private(folder / name, within=folder)
    files = files_of(dialplan, demo=settings.demo) if dialplan else None
    passwords = _passwords_for(folder, files) if files else _passwords_of(folder)
    instance = Instance(folder, _socket_folder(folder), passwords)
    make_recordings(folder, memory=memory)
    sip_security.copy_certificates(settings, folder)
    for name in UNUSED:
        write_private(folder / "etc" / f"{name}.conf", f"; The defaults of {name} are fine.\n")
    if files:
        put_files(files, folder / "etc")
    write_private(instance.configuration, _asterisk_conf(instance, installed, _entity(folder / "entity")))
    for name, text in _local(settings, instance).items():
        kept = folder / "etc" / "local" / name
        if name != OWN or extra or not kept.exists():
            write_private(kept, text + (extra or {}).get(name, ""))
    for name in ("rest-api", "documentation", "static-http"):
        _link(folder / "data" / name, installed / "usr/share/asterisk" / name)
    for path in sorted((settings.files.prompts / "build").glob("*/")):
        sounds = folder / "data" / "sounds" / path.name
        make_private(sounds, within=folder)
        _link(sounds / "innringing", path)
    return instance


def existing(folder: Path) -> Instance:
    """Return the instance in a folder that was prepared before. Nothing is written."""
    folder = folder.absolute()
    return Instance(folder, _socket_folder(folder), _passwords_of(folder))


def files_of(dialplan: Path, *, demo: bool) -> dict[str, str]:
    """Read the operators' files, by their names in etc/. Raises OperatorsFileError."""
    found = {path.name: _text_of(path) for path in sorted(dialplan.glob("*.conf"))}
    if demo:
        found[DEMO] = _text_of(dialplan / "demo" / "pjsip.conf")
    return found


def _text_of(path: Path) -> str:
    return read_text(path, OperatorsFileError, missing="the file is missing")


def files_in_force(folder: Path) -> dict[str, str]:
    """Read the operators' files that the Asterisk in `folder` has; empty if it was never started."""
    made = {configuration_of(folder).name, *(f"{name}.conf" for name in UNUSED)}
    paths = [path for path in sorted((folder / "etc").glob("*.conf")) if path.name not in made]
    return {path.name: path.read_text("utf-8") for path in paths}


def put_files(files: Mapping[str, str], etc: Path) -> None:
    """Make these the operators' files of an Asterisk. They are copies: an edit counts first when it was checked."""
    for name in files_in_force(etc.parent).keys() - files.keys():
        (etc / name).unlink()
    for name, text in files.items():
        (etc / name).unlink(missing_ok=True)
        write_private(etc / name, text)


def is_demo(folder: Path) -> bool:
    """Whether the Asterisk in `folder` was prepared as the demo's."""
    return (folder / "etc" / DEMO).exists()


def take_in(files: Mapping[str, str], folder: Path) -> None:
    """Make these the files of the Asterisk in `folder`, with a password for each new phone."""
    passwords = _passwords_for(folder, files)
    put_files(files, folder / "etc")
    write_private(folder / "etc" / "local" / PHONES, _auths(passwords))


def copy_of(folder: Path) -> dict[Path, bytes]:
    """Return the content of all files that `take_in` writes."""
    etc = folder / "etc"
    paths = [*(etc / name for name in files_in_force(folder)), etc / "local" / PHONES, folder / "phones.json"]
    return {path: path.read_bytes() for path in paths}


def put_back(files: Mapping[Path, bytes], folder: Path) -> None:
    """Put back what `copy_of` returned, and delete files that were not there."""
    for name in files_in_force(folder):
        (folder / "etc" / name).unlink()
    for path, content in files.items():
        path.unlink(missing_ok=True)
        write_private(path, content.decode("utf-8"))


def _asterisk_conf(instance: Instance, installed: Path, entity: str) -> str:
    folder = instance.folder
    modules = next(iter(installed.glob("usr/lib/*/asterisk/modules")), None) if installed != Path("/") else None
    modules_line = f"astmoddir = {modules}\n" if modules else ""  # in a container the default is right
    return f"""\
; Written at each start. Changes here are lost.
[directories]
astetcdir = {folder}/etc
{modules_line}astvarlibdir = {folder}/data
astdbdir = {folder}/db
astkeydir = {folder}
astdatadir = {folder}/data
astagidir = {folder}/data/agi-bin
astspooldir = {folder}/spool
astrundir = {instance.run}
astlogdir = {folder}/log
[options]
entityid = {entity}
languageprefix = yes
defaultlanguage = nb
verbose = 0
debug = 0
nocolor = yes
maxfiles = 65536
live_dangerously = no
; Asterisk extends a shorter key press to this length, and may then report it twice. Autodiallers press for 50 ms; the
; default is 80.
mindtmfduration = 20
"""


def _local(settings: Settings, instance: Instance) -> dict[str, str]:
    password = settings.ari.require_password()
    if "\n" in password or password != password.strip():
        raise SettingsError("INNRINGING_ARI_PASSWORD can't start or end with a space, or contain a line break.")
    escaped = password.replace(";", "\\;")
    first, last = settings.sip.rtp_range
    return {
        "ari.conf": f"[{settings.ari.user}]\ntype=user\nread_only=no\npassword={escaped}\n" + _reader(settings),
        "http.conf": f"bindaddr=127.0.0.1\nbindport={settings.ari.port}\n",
        "rtp.conf": f"rtpstart={first}\nrtpend={last}\n",
        "pjsip.conf": sip_security.transports(settings, instance.folder) + f'\n#include "local/{PHONES}"\n',
        PHONES: _auths(instance.passwords),
        SWITCHBOARD: _switchboard(settings),
        "standby.conf": f"[globals](+)\nSTANDBY=agi://{settings.standby.address}\n",
        "extensions.conf": "; Your own settings: see [globals] in extensions.conf.\n",
    }


def _switchboard(settings: Settings) -> str:
    called = trunk.switchboard(settings)
    return f"[globals](+)\nSWITCHBOARD={called}\n" if called else "; INNRINGING_SWITCHBOARD is not set.\n"


def _auths(passwords: Mapping[str, str]) -> str:
    return "".join(
        f"[{name}]\ntype=auth\nauth_type=userpass\nusername={name}\npassword={password}\n\n"
        for name, password in passwords.items()
    )


def _reader(settings: Settings) -> str:
    """Write a read-only user, for health checks: it cannot change anything or control calls."""
    if settings.ari.reader_password is None:
        return ""
    password = settings.ari.reader_password.get_secret_value().replace(";", "\\;")
    return f"\n[{settings.ari.reader}]\ntype=user\nread_only=yes\npassword={password}\n"


def phones_of(*texts: str) -> list[str]:
    """Return the phones that need a password: those with an `auth=` whose section is not in these files."""
    text = "\n".join(texts)
    sections = re.findall(r"(?ms)^\[([^\]\s]+)\]([^\n]*\n.*?)(?=^\[|\Z)", text)
    own = {name for name, body in sections if re.search(r"(?m)^\s*type\s*=\s*auth\b", body)}
    named = re.findall(r"(?m)^\s*auth\s*=\s*([\w.-]+)", text)
    return [name for name in dict.fromkeys(named) if name not in own]


def _passwords_for(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    phones = phones_of(*(files[name] for name in ("pjsip.conf", DEMO) if name in files))
    return _phone_passwords(folder / "phones.json", phones)


def _passwords_of(folder: Path) -> dict[str, str]:
    passwords: dict[str, str] = json.loads((folder / "phones.json").read_text(encoding="utf-8"))
    return passwords


def _phone_passwords(path: Path, phones: Sequence[str]) -> dict[str, str]:
    """Return the passwords of exactly these phones. Existing passwords do not change."""
    kept = _passwords_of(path.parent) if path.exists() else {}
    passwords = {name: kept.get(name) or secrets.token_urlsafe(12) for name in phones}
    write_private(path, json.dumps(passwords) + "\n")
    return passwords


def _entity(path: Path) -> str:
    """Return this Asterisk's id (EID). The default is the network card's, which two on one machine would share."""
    if not path.exists():
        octets = [0x02, *secrets.token_bytes(5)]  # 02: locally administered
        write_private(path, ":".join(f"{octet:02x}" for octet in octets))
    return path.read_text(encoding="ascii")


def _socket_folder(folder: Path) -> Path:
    """Return the folder of Asterisk's control socket. The socket's path has a length limit, so it may be elsewhere."""
    if len(os.fsencode(folder / "run" / "asterisk.ctl")) <= SOCKET_PATH_LIMIT:
        make_private(folder / "run", within=folder)
        return folder / "run"
    kept = folder / "run-folder"
    if not kept.exists() or not Path(kept.read_text(encoding="utf-8")).is_dir():
        write_private(kept, tempfile.mkdtemp(prefix="innringing-"))
    return Path(kept.read_text(encoding="utf-8"))


def make_recordings(folder: Path, *, memory: Path | None = MEMORY) -> Path:
    """Make the folder behind an Asterisk's `spool/recording`, in memory where possible, and return it.

    Unencrypted recordings must not reach a disk or its backups. With `memory` None it is an empty folder, on which a
    container mounts memory of its own.
    """
    link = folder / "spool" / "recording"
    if memory is None and link.is_symlink():
        link.unlink()
    if link.is_dir() and os.access(link, os.W_OK):
        return link.resolve()
    if memory is None or not memory.is_dir() or not os.access(memory, os.W_OK):
        make_private(link, within=folder)
        return link
    _link(link, Path(tempfile.mkdtemp(prefix="innringing-", dir=memory)))
    return link.resolve()


def drop_recordings(folder: Path) -> None:
    """Delete the folder in memory, unless it has recordings that a controller must still store."""
    link = folder / "spool" / "recording"
    if link.is_symlink():
        with suppress(OSError):
            link.resolve().rmdir()


def remove(instance: Instance) -> None:
    """Delete the folder of a stopped instance (tests)."""
    if instance.folder not in instance.recordings.parents:
        shutil.rmtree(instance.recordings, ignore_errors=True)
    if instance.folder not in instance.run.parents:
        shutil.rmtree(instance.run, ignore_errors=True)
    shutil.rmtree(instance.folder, ignore_errors=True)


def make_private(path: Path, *, within: Path) -> None:
    """Make a folder below `within`. Whatever the umask, both and what is between are their owner's alone."""
    path.mkdir(parents=True, exist_ok=True)
    for folder in (path, *path.parents):
        if not folder.stat().st_mode & stat.S_ISVTX:  # not /tmp, which everyone uses
            folder.chmod(0o700)
        if folder == within:
            return


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, since it contains passwords."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as out:
        os.fchmod(descriptor, 0o600)
        out.write(text)


def _link(link: Path, target: Path) -> None:
    if link.is_symlink():
        if link.readlink() == target:
            return
        link.unlink()
    link.symlink_to(target)
