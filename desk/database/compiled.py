"""Statements compiled to text once, because SQLAlchemy walks through a long statement each time it runs."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, TextualSelect, column, literal_column, text
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.sql import FromClause as FromClause
from sqlalchemy.sql import Select as Select


def parameter(name: str, type: str) -> ColumnElement[Any]:
    """A parameter of a statement that is compiled once, with its type in PostgreSQL."""
    return literal_column(f"cast(:{name} as {type})")


def compiled(statement: Select[Any], columns: Sequence[Column[Any] | ColumnElement[Any]]) -> TextualSelect:
    """The statement as text for PostgreSQL. Its values are part of the text; only a `parameter` is passed each time.

    `columns` are those of its rows, in order, which give the values their types.
    """
    dialect = PGDialect_asyncpg()  # type: ignore[no-untyped-call]
    sql = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    return text(str(sql)).columns(*(column(each.name, each.type) for each in columns))
