"""Check the files of the operators of a Kamailio: local.cfg and dispatcher.list, in dialplan/kamailio."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from desk.files.faults import FileFault, shown
from desk.paths import ROOT
from desk.settings.child_environment import child_environment
from ops.machine import tree
from ops.machine.instance import write_private

CONFIGURATION = ROOT / "docker" / "kamailio" / "kamailio.cfg"
FOLDER = ROOT / "dialplan" / "kamailio"
"""The operators' files, on a machine with a Kamailio."""
LOCAL, NODES = "local.cfg", "dispatcher.list"
NO_PINGS = 32  # a flag in dispatcher.list
DEFINED = ("LISTEN", "DISPATCHER_LIST", "PING_FROM", "MARK")
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
    if LOCAL in texts:
        yield from _of_local(texts[LOCAL], shown(folder / LOCAL, root), mark)
    if NODES in texts:
        yield from _of_nodes(texts[NODES], shown(folder / NODES, root))
    if len(texts) == 2:
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


def _of_nodes(text: str, file: str) -> Iterator[FileFault]:
    sets = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if found := _LINE.fullmatch(line.strip()):
            sets.append(found["set"])
        else:
            yield FileFault(file, number, "write a set (1 or 2), sip:HOST:PORT, flags and priority")
    for wanted, what in (("1", "no node (set 1): no call has anywhere to go"), ("2", "no telephone company (set 2)")):
        if wanted not in sets:
            yield FileFault(file, None, what)


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
    """Copy our configuration and the operators' two files to where Kamailio reads them."""
    shutil.copy(CONFIGURATION, target)
    for name in (LOCAL, NODES) if folder != target else ():
        shutil.copy(folder / name, target)


def write(
    folder: Path, *, listen: str, nodes: Sequence[str], trunk: Sequence[str], mark: str, inside: Path | None = None
) -> None:
    """Write the two files for nodes and telephone companies at `host:port` (tests, and trials on one machine).

    `inside`: the folder that Kamailio reads them in, if it is another.
    """
    local = (
        f"#!define LISTEN udp:{listen}\n"
        f'#!define DISPATCHER_LIST "{inside or folder}/{NODES}"\n'
        f'#!define PING_FROM "sip:proxy@{listen}"\n'
        f"#!define MARK {mark}\n"
    )
    lines = [f"1 sip:{node} 0 0" for node in nodes] + [f"2 sip:{each} {NO_PINGS} 0" for each in trunk]
    write_private(folder / LOCAL, local)
    write_private(folder / NODES, "\n".join(lines) + "\n")
