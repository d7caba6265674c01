"""How the database and its drivers fail, and why one that answers cannot be used: it is full, locked or read-only."""

import sqlite3
from enum import StrEnum
from typing import Final

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

FAILURES: Final = (
    SQLAlchemyError,
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    sqlite3.Error,
)
"""Every failure to reach or use the database, by SQLAlchemy or by a driver itself."""


class StorageFault(StrEnum):
    """The fault, as a sentence for operators. It names no file and no address."""

    FULL = "the database's disk is full"
    LOCKED = "another process has locked the database"
    READ_ONLY = "the database is read-only"


_SQLITE: Final = {
    sqlite3.SQLITE_FULL: StorageFault.FULL,
    sqlite3.SQLITE_BUSY: StorageFault.LOCKED,
    sqlite3.SQLITE_LOCKED: StorageFault.LOCKED,
    sqlite3.SQLITE_READONLY: StorageFault.READ_ONLY,
}
_POSTGRESQL: Final = {
    "53100": StorageFault.FULL,
    "55P03": StorageFault.LOCKED,
    "25006": StorageFault.READ_ONLY,
}
_PRIMARY_CODE: Final = 0xFF  # SQLite's extended codes add to the primary one, such as SQLITE_READONLY_DBMOVED


def fault_of(driver_error: BaseException | None) -> StorageFault | None:
    """Return the fault that a driver's error reports, if it is one of these."""
    code = getattr(driver_error, "sqlite_errorcode", None)
    if isinstance(code, int):
        return _SQLITE.get(code & _PRIMARY_CODE)
    return _POSTGRESQL.get(str(getattr(driver_error, "sqlstate", "")))
