"""Several writes in one statement: one round trip instead of one for each, and less work in the client."""

from typing import Any, TypeAlias

from sqlalchemy import CursorResult, Insert, Update

from desk.database.engine import Connection

Write: TypeAlias = Insert | Update
"""A write that has not run."""


async def write_together(connection: Connection, *writes: Write) -> CursorResult[Any]:
    """Run writes to different rows in this order. Returns the last one's result.

    On PostgreSQL they are one statement: none of them sees what another has written, and foreign keys are checked when
    all are done. SQLite has no writes inside another statement, so there they are several. A write that is to mean the
    same in both must not read what an earlier one has changed.
    """
    *first, last = writes
    if connection.dialect.name != "postgresql":
        for each in first:
            await connection.execute(each)
        return await connection.execute(last)
    return await connection.execute(last.add_cte(*(each.cte(f"write_{n}") for n, each in enumerate(first))))
