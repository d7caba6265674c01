"""The tables of a database, and how many rows each has."""

from sqlalchemy import func, inspect, select

from desk.database.engine import Connection
from desk.schema.tables import metadata


async def row_counts(connection: Connection) -> dict[str, int]:
    """Count the rows of each table."""
    counts = {}
    for table in metadata.sorted_tables:
        counts[table.name] = int((await connection.execute(select(func.count()).select_from(table))).scalar_one())
    return counts


async def has_tables(connection: Connection) -> bool:
    """Whether the database has any table at all."""
    return bool(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))
