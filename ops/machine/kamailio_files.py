"""Check the files of a Kamailio's operators, in dialplan/kamailio: local.cfg, dispatcher.list, and those for TLS."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from api.web.server.tls import CertificateFault, server_context
from desk.files.faults import FileFault, shown
from desk.paths import ROOT
from desk.settings.child_environment import child_environment
from ops.machine import tree
from ops.machine.instance import write_private

OURS = ROOT / "docker" / "kamailio"
CONFIGURATION = OURS / "kamailio.cfg"
FOLDER = ROOT / "dialplan" / "kamailio"
"""The operators' files, on a machine with a Kamailio."""
LOCAL, NODES = "local.cfg", "dispatcher.list"
TLS = "tls.cfg"
CERTIFICATE, KEY, AUTHORITIES = "certificate.pem", "key.pem", "authorities.pem"
"""Kamailio's own for TLS, as tls.cfg names them. The authorities are those of nodes and telephone company."""
SECURE = ";transport=tls"
NO_PINGS = 32  # a flag in dispatcher.list
DEFINED = ("LISTEN", "DISPATCHER_LIST", "PING_FROM", "MARK")
_WITH_TLS = re.compile(r"(?m)^#!define[ \t]+WITH_TLS\b")
_LINE = re.compile(r"(?P<set>[12]) sips?:[^\s@]+ \d+ \d+( \S+)?")
_ERROR = re.compile(r"in config file (?P<file>\S+), (?:from )?line (?P<line>\d+)[^:]*: (?P<reason>.+)")
CHECK_LIMIT = 30.0


def faults(folder: Path, *, mark: str, root: Path) -> Iterator[FileFault]:
    """Find what is wrong with the files in `folder`. `mark`: INNRINGING_SIP_PROXY_MARK, if it is set here."""
    texts = {}
    for name in (LOCAL, NODES):
        try:
            texts[name] = (folder / name).read_text("utf-8")
        except (OSError, UnicodeError):
            yield FileFault(shown(folder / name, root), None, "it can't be read")
    encrypted = bool(_WITH_TLS.search(texts.get(LOCAL, "")))
    if LOCAL in texts:
        yield from _of_local(texts[LOCAL], shown(folder / LOCAL, root), mark)
    if NODES in texts:
        yield from _of_nodes(texts[NODES], shown(folder / NODES, root), encrypted=encrypted)
    of_tls = [*_of_tls(folder, root)] if encrypted else []
    yield from of_tls
    if len(texts) == 2 and not of_tls:
        yield from _asked(folder, root)


def _of_local(text: str, file: str, mark: str) -> Iterator[FileFault]:
    defined = dict(re.findall(r"(?m)^#!define[ \t]+(\w+)[ \t]+(.*?)[ \t]*$", text))
    for name in DEFINED:
        if name not in defined:
            yield FileFault(file, None, f"{name} is not defined (docs/operations.md#more-than-one-machine)")
    written = defined.get("MARK", "")
    line = next((n for n, each in enumerate(text.splitlines(), 1) if each.startswith("#!define MARK")), None)
    if written and not re.fullmatch(r"[A-Za-z0-9]{32,100}", written, re.ASCII):
        yield FileFault(file, line, "MARK must be 32 letters and digits or more")
    elif written and mark and written != mark:
        yield FileFault(file, line, "MARK is another word than INNRINGING_SIP_PROXY_MARK")


def _of_nodes(text: str, file: str, *, encrypted: bool) -> Iterator[FileFault]:
    sets = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if found := _LINE.fullmatch(line.strip()):
            sets.append(found["set"])
            if encrypted and found["set"] == "1" and ";transport=tls" not in line:
                yield FileFault(file, number, "write ;transport=tls after a node's port: local.cfg has WITH_TLS")
        else:
            yield FileFault(file, number, "write a set (1 or 2), sip:HOST:PORT, flags and priority")
    for wanted, what in (("1", "no node (set 1): no call has anywhere to go"), ("2", "no telephone company (set 2)")):
        if wanted not in sets:
            yield FileFault(file, None, what)


def _of_tls(folder: Path, root: Path) -> Iterator[FileFault]:
    """Kamailio would start with them, and refuse every connection."""
    certificate, key, authorities = (folder / name for name in (CERTIFICATE, KEY, AUTHORITIES))
    try:
        server_context(certificate, key)
    except CertificateFault as fault:
        yield FileFault(shown(certificate, root), None, str(fault))
    try:
        is_pem = "-----BEGIN CERTIFICATE-----" in authorities.read_text("ascii")
    except (OSError, UnicodeError):
        is_pem = False
    if not is_pem:
        yield FileFault(shown(authorities, root), None, "it must have the authorities of the nodes' certificates (PEM)")


def _asked(folder: Path, root: Path) -> Iterator[FileFault]:
    """Let Kamailio itself read the files, if it is here."""
    installed = tree.built(tree.KAMAILIO)
    if installed is None:
        reason = "not checked with Kamailio, which is not here: python3 -m ops.machine.tree kamailio"
        yield FileFault(shown(folder, root), None, reason, note=True)
        return
    with tempfile.TemporaryDirectory() as made:
        copy = Path(made)
        put(folder, copy)
        modules = tree.libraries_folder(installed) / "kamailio" / "modules"
        done = subprocess.run(
            [
                *(installed / "bin" / "kamailio", "-c", "-A", "LOG_LEVEL=1"),
                *("-L", modules, "-w", copy, "-Y", copy, "-f", copy / CONFIGURATION.name),
            ],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=CHECK_LIMIT,
            env=child_environment(),
            cwd=copy,
        )
    if done.returncode:
        found = next(reversed([*_ERROR.finditer(done.stderr)]), None)
        own = found is not None and Path(found["file"]).name == LOCAL
        line = int(found["line"]) if found and own else None
        reason = found["reason"].strip() if found else "Kamailio does not start with it"
        yield FileFault(shown(folder / LOCAL, root), line, reason)


def put(folder: Path, target: Path) -> None:
    """Copy our configuration and the operators' files to where Kamailio reads them."""
    for ours in (CONFIGURATION, OURS / TLS):
        shutil.copy(ours, target)
    if folder != target:
        encrypted = _WITH_TLS.search((folder / LOCAL).read_text("utf-8"))
        for name in (LOCAL, NODES, *((CERTIFICATE, KEY, AUTHORITIES) if encrypted else ())):
            shutil.copy(folder / name, target)


@dataclass(frozen=True)
class OwnTls:
    """PEM files of a Kamailio with TLS, and where it takes the telephone company's SIP in clear, if anywhere."""

    certificate: Path
    key: Path
    authorities: Path
    in_clear: str = ""


def write(
    folder: Path,
    *,
    listen: str,
    nodes: Sequence[str],
    trunk: Sequence[str],
    mark: str,
    inside: Path | None = None,
    tls: OwnTls | None = None,
) -> None:
    """Write the files for nodes and telephone companies at `host:port` (tests, and trials on one machine).

    `inside`: the folder that Kamailio reads them in, if it is another.
    """
    local = (
        f"#!define LISTEN {'tls' if tls else 'udp'}:{listen}\n"
        f'#!define DISPATCHER_LIST "{inside or folder}/{NODES}"\n'
        f'#!define PING_FROM "sip:proxy@{listen}"\n'
        f"#!define MARK {mark}\n"
    )
    of_trunk = ""
    if tls:
        local += "#!define WITH_TLS\n" + (f"listen=udp:{tls.in_clear}\n" if tls.in_clear else "")
        of_trunk = "" if tls.in_clear else SECURE
        for name, source in ((CERTIFICATE, tls.certificate), (KEY, tls.key), (AUTHORITIES, tls.authorities)):
            write_private(folder / name, source.read_text("ascii"))
    lines = [f"1 sip:{node}{SECURE if tls else ''} 0 0" for node in nodes]
    lines += [f"2 sip:{each}{of_trunk} {NO_PINGS} 0" for each in trunk]
    write_private(folder / LOCAL, local)
    write_private(folder / NODES, "\n".join(lines) + "\n")
