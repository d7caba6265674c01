"""Migrations: bring a database to the newest tables. Alembic, configured here; the steps are in migrations/versions."""

import asyncio
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection as SyncConnection

from desk.database.engine import Conflict, Database
from desk.database.errors import StorageUnavailable
from desk.database.pooling import require_own_session
from desk.paths import ROOT

ONE_AT_A_TIME = 0x1AA121D6  # PostgreSQL advisory lock: two services starting together don't migrate side by side


async def migrate(url: str, revision: str = "head") -> None:
    """Bring the database at `url` to `revision`, up or down, in one transaction. Raises `StorageUnavailable`."""
    database = Database(url, pool_size=1)
    try:
        _make_folder(database)
        await require_own_session(database)
        for _ in range(3):  # two services that both make the very first table: one gets a conflict
            try:
                async with database.begin() as connection:
                    if database.dialect == "postgresql":
                        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_AT_A_TIME})
                    await connection.run_sync(_move, revision)
                return
            except Conflict:
                await asyncio.sleep(0.1)
        raise StorageUnavailable
    finally:
        await database.close()


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
    made = Config()
    made.set_main_option("script_location", str(ROOT / "migrations").replace("%", "%%"))
    return made


@cache
def newest() -> frozenset[str]:
    """Return the revisions of a current database."""
    return frozenset(ScriptDirectory.from_config(config()).get_heads())


def _is_later(heads: frozenset[str]) -> bool:
    """Whether these revisions were made by a version that this one does not know."""
    known = {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}
    return not heads <= known


def _heads(connection: SyncConnection) -> frozenset[str]:
    return frozenset(MigrationContext.configure(connection).get_current_heads())


def _move(connection: SyncConnection, revision: str) -> None:
    if revision == "head" and _is_later(_heads(connection)):
        return
    made = config()
    attributes: dict[Any, Any] = made.attributes
    attributes["connection"] = connection
    if revision == "base":
        command.downgrade(made, revision)
    else:
        command.upgrade(made, revision)
