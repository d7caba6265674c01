"""What the clock is compared with, in the database."""

from datetime import UTC, datetime

from sqlalchemy import func, select, text

from desk.clock_check.rules import AHEAD, ClockReadings
from desk.database.unit_of_work import Unit
from desk.schema.tables import history, retention_runs


async def database_time(unit: Unit) -> datetime | None:
    """Read the database server's clock. None on SQLite, which has the machine's own."""
    if unit.connection.dialect.name == "sqlite":
        return None
    found: datetime = (await unit.connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
    return found.astimezone(UTC)


async def readings(unit: Unit, database: datetime | None) -> ClockReadings:
    """Read what was stored before. Later runs than now are left out: a clock was ahead when they were made."""
    seen = retention_runs.c.seen_at
    last = select(func.max(seen)).where(seen <= unit.now + AHEAD)
    first, newest = (select(history.c.at).order_by(order).limit(1) for order in (history.c.id, history.c.id.desc()))
    found = [(await unit.connection.execute(query)).scalar() for query in (last, first, newest)]
    return ClockReadings(database, *found)
