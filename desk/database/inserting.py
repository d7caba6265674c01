"""Inserts that may meet a row that is there already, which each engine's dialect has of its own."""

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from desk.database.engine import Connection


def insert_into(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An insert that has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    made = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return made(table)
