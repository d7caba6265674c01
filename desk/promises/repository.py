"""Closures in the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, insert, select, update

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


async def standing(unit: Unit, department: str) -> list[Closure]:
    """Return the department's closures that are not over, in order."""
    where = (is_department(unit, c.department, department), c.until_at > unit.now, c.replaced_at.is_(None))
    return await _read(unit, *where)


async def in_force(unit: Unit) -> list[Closure]:
    """Return the closures of all departments that queues are closed by now. They are about no person."""
    return await _read(unit, c.from_at <= unit.now, c.until_at > unit.now, c.replaced_at.is_(None))


async def end(unit: Unit, department: str, id: int) -> bool:
    """End a closure that is not over. False if there is none."""
    where = (
        c.id == id,
        is_department(unit, c.department, department),
        c.until_at > unit.now,
        c.replaced_at.is_(None),
    )
    ended = await unit.connection.execute(update(closures).where(*where).values(replaced_at=unit.now))
    return ended.rowcount > 0


async def _read(unit: Unit, *where: ColumnElement[bool]) -> list[Closure]:
    query = select(c.id, c.department, c.from_at, c.until_at, c.text).where(*where).order_by(c.from_at)
    rows = (await unit.connection.execute(query)).all()
    return [Closure(row.id, row.department, row.from_at, row.until_at, DelayReason(row.text)) for row in rows]


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
