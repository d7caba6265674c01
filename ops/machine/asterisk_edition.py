"""Which of an Asterisk's files it reads only when it starts. The others it reads again while calls go on."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

AT_START_ONLY = (
    *("asterisk.conf", "modules.conf", "http.conf", "rtp.conf", "local/http.conf", "local/rtp.conf"),
    *("../keys/sip-certificate.pem", "../keys/sip-key.pem", "../keys/sip-authorities.pem"),
)
"""By their names in etc/."""
_SECTION = re.compile(r"(?m)^(?=\[)")
_TRANSPORT = re.compile(r"(?m)^\s*type\s*=\s*transport\b")


def start_edition(folder: Path) -> str:
    """Return a text that changes when the Asterisk in `folder` must start again to have its files."""
    found = hashlib.sha256()
    for name, content in _read_at_start(folder / "etc"):
        found.update(hashlib.sha256(os.fsencode(name)).digest() + hashlib.sha256(content).digest())
    return found.hexdigest()[:16]


def _read_at_start(etc: Path) -> Iterator[tuple[str, bytes]]:
    for name in AT_START_ONLY:
        if (etc / name).exists():
            yield name, (etc / name).read_bytes()
    for name in ("pjsip.conf", "local/pjsip.conf"):
        sections = _SECTION.split((etc / name).read_text("utf-8"))
        yield name, "".join(each for each in sections if _TRANSPORT.search(each)).encode()
