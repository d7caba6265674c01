"""Copy a SQLite database while it is written to: its own online backup, never `cp`, which loses what is in the WAL."""

import sqlite3
from contextlib import closing
from pathlib import Path

from ops.backup.errors import BackupFailed, CopyDamaged
from ops.backup.files import private


def copy(source: Path, target: Path) -> None:
    """Copy one moment of the database into a single new file. Writers go on meanwhile. Raises BackupFailed."""
    if not source.is_file():
        raise BackupFailed(f"there is no database at {source}.")
    private(target).close()
    try:
        with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as made:
            live.backup(made)  # in one step: in several, each writer would make it start again
            made.execute("PRAGMA journal_mode=DELETE")  # the copy is one file, without -wal beside it
    except sqlite3.Error as error:
        raise BackupFailed(f"SQLite: {error}.") from None


def check(file: Path) -> None:
    """Check a copy from end to end. Raises CopyDamaged."""
    try:
        with closing(sqlite3.connect(file)) as opened:
            found = opened.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise CopyDamaged(f"SQLite: {error}.") from None
    if found != "ok":
        raise CopyDamaged("SQLite finds damage in it.")
