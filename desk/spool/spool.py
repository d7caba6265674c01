"""What could not be stored in the database yet: one sealed file per entry, on this machine's disk.

An entry counts as stored once `add` returns: its file is written whole, synced, renamed into place, and the folder is
synced too. Names sort in the order of writing. Every writer uses this one form, and `desk.spool.drainer` moves entries
into the database.
"""

import asyncio
import errno
import json
import os
import re
import secrets
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from desk.spool.errors import DamagedEntry, SpoolUnavailable
from desk.vault.errors import CannotOpen
from desk.vault.vault import Vault

log = structlog.get_logger(__name__)

COLUMN: Final = "spool.entry"
DAMAGED: Final = "damaged"
"""The folder, inside the spool's, for files that were set aside."""
WRITE_SECONDS: Final = 2.0
LARGEST_ENTRY: Final = 64 << 10

_NAME: Final = re.compile(r"[0-9]{20}-[0-9a-f]{16}\.entry", re.ASCII)


@dataclass(frozen=True)
class SpoolEntry:
    """One thing to store. `kind` says who stores it; `at` is when it happened (aware UTC)."""

    name: str
    kind: str
    at: datetime
    data: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class SpoolState:
    """How many entries wait, and how many damaged files were set aside."""

    waiting: int
    damaged: int


class Spool:
    """The spool in one folder. Processes of one machine may share it. The vault seals every entry."""

    def __init__(self, folder: Path, *, vault: Vault, write_seconds: float = WRITE_SECONDS) -> None:
        self._folder = folder
        self._vault = vault
        self._write_seconds = write_seconds
        self._last = 0

    async def add(self, kind: str, at: datetime, data: Mapping[str, Any]) -> None:
        """Store an entry on disk. Raises SpoolUnavailable when that fails or takes longer than two seconds.

        After a failure the entry may be there all the same, so the caller must allow for a second one.
        """
        name = self._new_name()
        text = json.dumps({"kind": kind, "at": at.astimezone(UTC).isoformat(), "data": data}, ensure_ascii=False)
        sealed = self._vault.seal(text, COLUMN, name)
        try:
            async with asyncio.timeout(self._write_seconds):
                await asyncio.to_thread(_write, self._folder, name, sealed)
        except (OSError, TimeoutError) as error:
            log.error("Could not write to the spool", error=type(error).__name__, kind=kind)
            raise SpoolUnavailable from None

    async def names(self) -> list[str]:
        """Return the names of the waiting entries, oldest first. Raises SpoolUnavailable."""
        try:
            return await asyncio.to_thread(_names, self._folder)
        except OSError:
            raise SpoolUnavailable from None

    async def read(self, name: str) -> SpoolEntry | None:
        """Read an entry. None if another process has stored it. Raises DamagedEntry, SpoolUnavailable."""
        try:
            sealed = await asyncio.to_thread(_read, self._folder / name)
        except FileNotFoundError:
            return None
        except OSError:
            raise SpoolUnavailable from None
        try:
            return _parsed(name, self._vault.open(sealed, COLUMN, name))
        except (CannotOpen, ValueError):
            raise DamagedEntry from None

    async def remove(self, name: str) -> None:
        """Remove an entry that is in the database. Raises SpoolUnavailable."""
        try:
            await asyncio.to_thread((self._folder / name).unlink, missing_ok=True)
        except OSError:
            raise SpoolUnavailable from None

    async def set_aside(self, name: str) -> None:
        """Move a file that cannot be stored out of the way. It is never deleted. Raises SpoolUnavailable."""
        try:
            await asyncio.to_thread(_set_aside, self._folder, name)
        except OSError:
            raise SpoolUnavailable from None

    async def state(self) -> SpoolState:
        """Count what is in the spool. Raises SpoolUnavailable."""
        try:
            return await asyncio.to_thread(_state, self._folder)
        except OSError:
            raise SpoolUnavailable from None

    async def waiting(self) -> tuple[int, float | None]:
        """Return how many entries wait, and for how many seconds the oldest has. Raises SpoolUnavailable."""
        names = await self.names()
        return len(names), max(time.time() - int(names[0][:20]) / 1e6, 0.0) if names else None

    def _new_name(self) -> str:
        """Make a name that sorts after every name made before, by this process or by earlier ones."""
        self._last = max(self._last + 1, time.time_ns() // 1000)
        return f"{self._last:020d}-{secrets.token_hex(8)}.entry"


def _write(folder: Path, name: str, sealed: bytes) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    hidden = folder / f".{name}"
    try:
        descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as out:
            out.write(sealed)
            out.flush()
            os.fsync(out.fileno())
        hidden.rename(folder / name)
    except OSError:
        with suppress(OSError):
            hidden.unlink(missing_ok=True)
        raise
    _sync(folder)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if _NAME.fullmatch(name))
    except FileNotFoundError:
        return []


def _read(path: Path) -> bytes:
    """Read an entry's file. Raises DamagedEntry for anything else by that name: it must not stop those behind it."""
    try:
        descriptor = os.open(
            path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        )  # opening a FIFO would wait for a writer
    except PermissionError:
        raise DamagedEntry from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link, a socket
            raise DamagedEntry from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DamagedEntry
    with open(descriptor, "rb") as file:
        return file.read(LARGEST_ENTRY)


def _set_aside(folder: Path, name: str) -> None:
    aside = folder / DAMAGED
    aside.mkdir(mode=0o700, exist_ok=True)
    with suppress(FileNotFoundError):
        (folder / name).rename(aside / name)
    _sync(folder)


def _state(folder: Path) -> SpoolState:
    return SpoolState(waiting=len(_names(folder)), damaged=len(_names(folder / DAMAGED)))


def _parsed(name: str, text: str) -> SpoolEntry:
    """Read the opened text. Raises ValueError."""
    match json.loads(text):
        case {"kind": str(kind), "at": str(at), "data": dict(data)}:
            moment = datetime.fromisoformat(at)
            if moment.tzinfo is None:
                raise ValueError("no time zone")
            return SpoolEntry(name, kind, moment, data)
        case _:
            raise ValueError("not an entry")
