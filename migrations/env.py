"""Run by Alembic. desk.storage.migrate hands over an open connection; the alembic command line uses the settings."""

import asyncio

from alembic import context
from sqlalchemy.engine import Connection

from desk.database.engine import Database
from desk.schema.tables import metadata
from desk.settings.settings import Settings


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


async def run_from_settings() -> None:
    database = Database(Settings.load().database.url, pool_size=1)
    async with database.begin() as connection:
        await connection.run_sync(run)
    await database.close()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(run_from_settings())
