"""Migrations: bring a database to the newest tables. Alembic, configured here; the steps are in migrations/versions.

Alembic is imported where a database is migrated. A service that finds its tables as they should be does without it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection as SyncConnection

from desk.database.engine import Conflict, Connection, Database
from desk.database.errors import StorageUnavailable
from desk.database.pooling import require_own_session
from desk.files.file_lock import locked
from desk.paths import ROOT

if TYPE_CHECKING:
    from alembic.config import Config

ONE_AT_A_TIME = 0x1AA121D6
"""PostgreSQL's advisory lock for migrations. Services that start together do not migrate side by side."""
LOCK_FILE = ".migration"
"""Added to the name of an embedded database: the file that a migration holds."""
ASKED_EVERY = 0.1
"""Seconds between two tries for the lock. It is waited for as long as another migration goes on, and no longer:
it ends with the process, or the connection, that holds it."""


async def migrate(url: str, revision: str = "head") -> None:
    """Bring the database at `url` to `revision`, up or down, in one transaction. Raises `StorageUnavailable`."""
    database = Database(url, pool_size=1)
    try:
        _make_folder(database)
        await require_own_session(database)
        async with _no_other_here(database):
            for _ in range(3):  # two services that both make the very first table: one gets a conflict
                try:
                    async with database.begin() as connection:
                        await _no_other_there(connection)
                        await connection.run_sync(_move, revision)
                    return
                except Conflict:
                    await asyncio.sleep(0.1)
            raise StorageUnavailable
    finally:
        await database.close()


@asynccontextmanager
async def _no_other_here(database: Database) -> AsyncIterator[None]:
    """Wait until no other process migrates this embedded database. SQLite's own lock is waited for seconds only."""
    file = database.engine.url.database
    if database.dialect != "sqlite" or not file:
        yield
        return
    while True:
        with ExitStack() as held:
            try:
                lock = held.enter_context(locked(Path(file + LOCK_FILE)))
            except OSError:
                raise StorageUnavailable from None
            if lock is not None:
                yield
                return
        await asyncio.sleep(ASKED_EVERY)


async def _no_other_there(connection: Connection) -> None:
    """Wait until no other connection migrates this database on a server. One statement may wait for seconds only."""
    if connection.dialect.name != "postgresql":
        return
    ask = text("SELECT pg_try_advisory_xact_lock(:key)")
    while not (await connection.execute(ask, {"key": ONE_AT_A_TIME})).scalar():  # noqa: ASYNC110  # nothing reports it
        await asyncio.sleep(ASKED_EVERY)


async def is_current(database: Database) -> bool:
    """Whether the database has the newest tables, or those of a later version. Raises `StorageUnavailable`.

    Migrations only add, so that an earlier version goes on while a later one is being installed, and can be put back.
    """
    await require_own_session(database)
    async with database.read() as connection:
        heads = await connection.run_sync(_heads)
    return heads == newest() or _is_later(heads)


def _make_folder(database: Database) -> None:
    """Make the folder of an embedded database, which may not exist yet."""
    file = database.engine.url.database
    if database.dialect == "sqlite" and file:
        try:
            Path(file).parent.mkdir(parents=True, exist_ok=True)
        except OSError:
            raise StorageUnavailable from None


def config() -> Config:
    """Return Alembic's configuration."""
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(ROOT / "migrations").replace("%", "%%"))
    return made


@cache
def newest() -> frozenset[str]:
    """Return the revisions of a current database."""
    return frozenset(steps()) - frozenset(steps().values())


@cache
def steps() -> Mapping[str, str]:
    """Return each revision in migrations/versions, and the one before it; empty before the first."""
    texts = [path.read_text("utf-8") for path in (ROOT / "migrations" / "versions").glob("*.py")]
    found = [dict(re.findall(r'(?m)^(revision|down_revision) = (?:"([^"]+)"|None)$', text)) for text in texts]
    return {each["revision"]: each["down_revision"] for each in found}


def _is_later(heads: frozenset[str]) -> bool:
    """Whether these revisions were made by a version that this one does not know."""
    return not heads <= frozenset(steps())


def _heads(connection: SyncConnection) -> frozenset[str]:
    if not inspect(connection).has_table("alembic_version"):
        return frozenset()
    return frozenset(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())


def _move(connection: SyncConnection, revision: str) -> None:
    if revision == "head" and _is_later(_heads(connection)):
        return
    from alembic import command

    made = config()
    attributes: dict[Any, Any] = made.attributes
    attributes["connection"] = connection
    if revision == "base":
        command.downgrade(made, revision)
    else:
        command.upgrade(made, revision)
