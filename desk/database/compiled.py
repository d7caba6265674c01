"""Statements compiled to text once, because SQLAlchemy walks through a long statement each time it runs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    return text(_sql(statement)).columns(*(column(each.name, each.type) for each in columns))


@dataclass(frozen=True)
class DriverStatement:
    """A statement for the driver itself (desk/database/driver.py), with the names of its parameters in order."""

    sql: str
    names: tuple[str, ...]

    def ordered(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the statement's parameters."""
        return [values[name] for name in self.names]


def compiled_for_driver(statement: Select[Any]) -> DriverStatement:
    """The statement for the driver itself, which gives a row's values as PostgreSQL's types have them."""
    sql = _sql(statement)
    names = tuple(dict.fromkeys(_PARAMETER.findall(sql)))
    return DriverStatement(_PARAMETER.sub(lambda found: f"cast(${names.index(found[1]) + 1} as ", sql), names)


_PARAMETER = re.compile(r"cast\(:(\w+) as ")
"""How `parameter` is written in a compiled statement."""


def _sql(statement: Select[Any]) -> str:
    dialect = PGDialect_asyncpg()  # type: ignore[no-untyped-call]
    return str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
