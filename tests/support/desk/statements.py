"""The statements that a piece of code runs, for tests of how many there are."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from desk.database.engine import Database


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements that run inside the block.

    Left out are the begin of transactions, and notifications, which may follow an earlier commit.
    """
    statements: list[str] = []

    def count(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "pg_notify" not in statement and not statement.startswith("BEGIN"):
            statements.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", count)
    try:
        yield statements
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", count)
