"""Callbacks written straight into the tables, for tests that need many or unusual ones; and the number of rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table, func, insert, select

from desk.database.engine import Connection, Database
from desk.schema.tables import callbacks, inquiries, metadata


async def insert_callbacks(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows with the columns of `inquiries` and `callbacks`. Kind and subject key are filled in."""
    filled = [{"kind": "callback", "subject_key": _subject_key(row), **row} for row in rows]
    for table in (inquiries, callbacks):
        await connection.execute(insert(table), [_columns(table, row) for row in filled])


async def count(database: Database, table: str) -> int:
    """The number of rows in a table."""
    async with database.read() as connection:
        return (await connection.execute(select(func.count()).select_from(metadata.tables[table]))).scalar_one()


def _subject_key(row: Mapping[str, Any]) -> bytes:
    return bytes(row.get("patient_index") or row["phone"].encode())


def _columns(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    return {column.name: row[column.name] for column in table.c if column.name in row}
