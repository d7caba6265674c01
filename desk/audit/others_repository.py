"""What the chain does not cover: how many emergency accesses and events of the history there are.

Both only grow. So fewer rows up to the same number show that some were deleted.
"""

import hashlib
import json
from typing import Any

from sqlalchemy import ColumnElement, Table, func, select

from desk.audit.repository import OtherRows
from desk.database.unit_of_work import Unit
from desk.schema.tables import emergency_access, history

c = emergency_access.c


async def count_others(unit: Unit, up_to: OtherRows | None = None) -> OtherRows:
    """Count the rows that there are, or those up to the last ones in `up_to`."""
    history_last, history_rows = await _count(unit, history, up_to.history_last if up_to else None)
    last, rows = await _count(unit, emergency_access, up_to.emergencies_last if up_to else None)
    return OtherRows(history_last, history_rows, last, rows, await _digest(unit, last))


async def _count(unit: Unit, table: Table, last: int | None) -> tuple[int, int]:
    if last is None:
        last = (await unit.connection.execute(select(func.coalesce(func.max(table.c.id), 0)))).scalar_one()
    query = select(func.count()).select_from(table).where(table.c.id <= last)
    return last, int((await unit.connection.execute(query)).scalar_one())


async def _digest(unit: Unit, last: int) -> str:
    """A hash of what never changes in the emergency accesses: who, where, why and for how long."""
    own: tuple[ColumnElement[Any], ...] = (c.id, c.agent_id, c.department, c.reason, c.at, c.until)
    found = await unit.connection.execute(select(*own).where(c.id <= last).order_by(c.id))
    hashed = hashlib.sha256()
    for row in found:
        hashed.update(json.dumps([*row[:4], row[4].isoformat(), row[5].isoformat()]).encode())
    return hashed.hexdigest()
