"""A database that cannot be written says why: full, locked or read-only."""

import os
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from desk.database.engine import Database
from desk.database.errors import StorageUnavailable
from desk.database.faults import StorageFault, fault_of


async def fault(url: str, *statements: str) -> StorageFault | None:
    database = Database(url)
    try:
        with pytest.raises(StorageUnavailable) as raised, capture_logs() as logs:
            async with database.begin() as connection:
                for statement in statements:
                    await connection.execute(text(statement))
        assert raised.value.fault == logs[-1].get("fault")
        return raised.value.fault
    finally:
        await database.close()


async def test_full_sqlite_database_is_named(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'full.db'}"
    fill = "insert into t values (zeroblob(100000))"
    assert await fault(url, "pragma max_page_count = 2", "create table t (x)", fill) is StorageFault.FULL


async def test_read_only_sqlite_database_is_named(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'read-only.db'}"
    statements = ("create table t (x)", "pragma query_only = on", "insert into t values (1)")
    assert await fault(url, *statements) is StorageFault.READ_ONLY


async def test_read_only_postgresql_is_named(postgres_url: str) -> None:
    assert await fault(postgres_url, "set transaction read only", "create table t (x int)") is StorageFault.READ_ONLY


def test_locked_and_read_only_sqlite_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "locked.db"
    first, second = (sqlite3.connect(path, timeout=0, isolation_level=None) for _ in range(2))
    first.execute("create table t (x)")
    first.execute("begin immediate")
    with pytest.raises(sqlite3.OperationalError) as raised:
        second.execute("begin immediate")
    assert fault_of(raised.value) is StorageFault.LOCKED
    first.execute("rollback")
    read_only = sqlite3.connect(f"file:{os.fspath(path)}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError) as refused:
        read_only.execute("insert into t values (1)")
    assert fault_of(refused.value) is StorageFault.READ_ONLY
    for connection in (first, second, read_only):
        connection.close()


def test_other_errors_have_no_such_fault() -> None:
    assert fault_of(None) is None
    assert fault_of(OSError()) is None
