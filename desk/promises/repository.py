"""Closures in the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from desk.database.unit_of_work import Unit
from desk.promises.model import Closure, DelayReason
from desk.schema.scope import is_department
from desk.schema.tables import closures

c = closures.c


async def ahead(unit: Unit, department: str) -> Sequence[Any]:
    """The department's closures that are not over, in order: rows of from_at, until_at and text."""
    query = select(c.from_at, c.until_at, c.text).where(
        c.department == department, c.until_at > unit.now, c.replaced_at.is_(None)
    )
    return (await unit.connection.execute(query.order_by(c.from_at))).all()


async def add(unit: Unit, department: str, *, from_: datetime, until: datetime, text: DelayReason) -> Closure:
    """Add a closure in place of those it overlaps."""
    overlaps = (
        is_department(unit, c.department, department),
        c.replaced_at.is_(None),
        c.from_at < until,
        c.until_at > from_,
    )
    await unit.connection.execute(update(closures).where(*overlaps).values(replaced_at=unit.now))
    values = {"department": department, "agent": unit.actor.name, "at": unit.now, "text": text.value}
    statement = insert(closures).values(**values, from_at=from_, until_at=until).returning(c.id)
    return Closure((await unit.connection.execute(statement)).scalar_one(), department, from_, until, text)
