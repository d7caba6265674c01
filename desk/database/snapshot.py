"""One moment of a PostgreSQL database, which another program can read too."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sqlalchemy import text

from desk.database.engine import READING, Connection, Database
from desk.database.faults import FAILURES


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[tuple[Connection, str]]:
    """Open a transaction that sees one moment, and its name for `pg_dump --snapshot`. Raises StorageUnavailable.

    The server may end it while the other program goes on, which has the moment by then.
    """
    async with database.named_failures(READING):
        connection = await database.engine.execution_options(isolation_level="REPEATABLE READ").connect()
        name = str((await connection.execute(text("SELECT pg_export_snapshot()"))).scalar_one())
    try:
        yield connection, name
    finally:
        with suppress(*FAILURES):
            await connection.close()
