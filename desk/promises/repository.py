"""Closures in the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from desk.access.permissions import Scope
from desk.database.engine import Connection
from desk.schema.scope import in_department
from desk.schema.tables import closures


async def ahead(connection: Connection, department: str, now: datetime) -> Sequence[Any]:
    """The department's closures that are not over, in order: rows of from_at, until_at and text."""
    c = closures.c
    query = select(c.from_at, c.until_at, c.text).where(
        c.department == department, c.until_at > now, c.replaced_at.is_(None)
    )
    return (await connection.execute(query.order_by(c.from_at))).all()


async def add(
    connection: Connection,
    department: str,
    agent: str,
    *,
    scope: Scope,
    at: datetime,
    from_: datetime,
    until: datetime,
    text: str,
) -> int:
    """A closure, in place of those it overlaps; its id. Raises DepartmentNotAllowed."""
    scope.require(department)
    c = closures.c
    overlapped = (
        in_department(c.department, department, scope),
        c.replaced_at.is_(None),
        c.from_at < until,
        c.until_at > from_,
    )
    await connection.execute(update(closures).where(*overlapped).values(replaced_at=at))
    values = {"department": department, "agent": agent, "at": at, "from_at": from_, "until_at": until, "text": text}
    return int((await connection.execute(insert(closures).values(**values).returning(c.id))).scalar_one())
