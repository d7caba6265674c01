"""Closed times of departments, and how much is promised for when."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, not_, or_, select, update

from desk.access.permissions import Scope
from desk.callbacks.model import ClosedReason
from desk.database.engine import Connection
from desk.schema.scope import in_department
from desk.schema.tables import callbacks, closures

GIVEN_BACK = (ClosedReason.CANCELLED_BY_CALLER.value, ClosedReason.DUPLICATE.value)


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


async def promised(
    connection: Connection, department: str, now: datetime, *, excluding: str | None = None
) -> Mapping[datetime, int]:
    """How many callbacks are promised for each moment ahead; those given back by their callers, and `excluding`,
    left out.

    On PostgreSQL nobody else learns it for this department before this unit of work ends; SQLite has one writer.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"promised {department}"))))
    c = callbacks.c
    given_back = or_(*(c.closed_reason == reason for reason in GIVEN_BACK))
    query = (
        select(c.promise_by, func.count())
        .where(c.department == department, c.promise_by > now)
        .where(or_(c.closed_reason.is_(None), not_(given_back)))
        .group_by(c.promise_by)
    )
    if excluding is not None:
        query = query.where(c.id != excluding)
    return {by: count for by, count in await connection.execute(query)}
