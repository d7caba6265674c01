"""Anchors of the audit outside the database: a signed file, which shows that the end of the audit was cut off.

Each line is an anchor, what other tables held (emergency accesses and history) at that moment, the time, and a
signature over the line and the signature before it. The key is derived from the index key, so a line can't be made or
taken out by someone who has only the file and the database. Lines cut off at the end leave the older anchors.
"""

import fcntl
import hashlib
import hmac
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from desk.audit.chain import Anchor
from desk.audit.repository import OtherRows
from desk.vault.vault import Vault

PURPOSE: Final = "innringing audit anchors"
FIELDS: Final = 5
"""Words of a line: the anchor, what other tables held, the time, the version of the key, the signature."""


class AnchorFault(StrEnum):
    """Why an anchor could not be stored, for /readyz."""

    UNWRITABLE = "the file of anchors can't be read or written"
    CHANGED = "the file of anchors was changed: innringing audit verify"
    CUT = "the audit ends before its last anchor: innringing audit verify"


class AnchorsChanged(Exception):
    """The file of anchors was changed; the message says where."""


@dataclass(frozen=True)
class StoredAnchor:
    """One line: how far the audit had come, and what other tables held."""

    anchor: Anchor
    others: OtherRows


class AnchorFile:
    """The anchors that this machine has stored. Its methods read and write files: call them in a thread."""

    def __init__(self, file: Path, vault: Vault) -> None:
        self.file = file
        self._keys = vault.derived(PURPOSE)
        self._version = vault.index_version

    def add(self, anchor: Anchor, others: OtherRows, at: datetime) -> bool:
        """Add an anchor, unless it is the newest one already. Returns whether the newest one was not ahead of it.

        Raises OSError, and AnchorsChanged.
        """
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as opened:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            whole, _, torn = opened.read().rpartition(b"\n")
            if torn:  # a full disk: only its line is lost
                opened.truncate(len(whole) + 1 if whole else 0)
            lines = list(self._lines(whole.decode("ascii", "replace")))
            newest, signature = lines[-1] if lines else (None, "")
            if newest is not None and newest == StoredAnchor(anchor, others):
                return True
            content = f"{anchor} {others} {at.isoformat(timespec='seconds')} {self._version}"
            line = f"{content} {self._sign(self._version, signature, content)}\n"
            opened.seek(0, os.SEEK_END)
            opened.write(line.encode())
            opened.flush()
            os.fsync(descriptor)
        return newest is None or newest.anchor.seq <= anchor.seq

    def read(self) -> list[StoredAnchor]:
        """Return all anchors, oldest first; none without a file. Raises OSError, and AnchorsChanged."""
        try:
            text = self.file.read_text("ascii", "replace")
        except FileNotFoundError:
            return []
        return [stored for stored, _ in self._lines(text.rpartition("\n")[0])]

    def _lines(self, text: str) -> Iterator[tuple[StoredAnchor, str]]:
        before = ""
        for number, line in enumerate(text.split("\n") if text else (), start=1):
            content, _, signature = line.rpartition(" ")
            fields = content.split(" ")
            if len(fields) + 1 != FIELDS or not fields[-1].isdecimal() or int(fields[-1]) not in self._keys:
                raise AnchorsChanged(f"{self.file}:{number}: no line of ours, or its version of the key isn't given")
            if not hmac.compare_digest(self._sign(int(fields[-1]), before, content).encode(), signature.encode()):
                raise AnchorsChanged(f"{self.file}:{number}: its signature does not fit")
            yield StoredAnchor(Anchor.parse(fields[0]), OtherRows.parse(fields[1])), signature
            before = signature

    def _sign(self, version: int, before: str, content: str) -> str:
        return hmac.new(self._keys[version], f"{before}\n{content}".encode(), hashlib.sha256).hexdigest()
