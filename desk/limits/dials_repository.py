"""Counting the dials of a day, in their own table."""

from datetime import datetime

from sqlalchemy import func, select

from desk.database.unit_of_work import Unit
from desk.numbers.phone_number import PhoneNumber
from desk.schema.tables import dials


async def calls_to_number(unit: Unit, phone: PhoneNumber, *, since: datetime) -> int:
    """Count the calls to that number since then."""
    query = select(func.count()).where(dials.c.phone == phone.e164, dials.c.rung_at >= since)
    return int((await unit.connection.execute(query)).scalar_one())


async def requested_by_agent(unit: Unit, *, since: datetime) -> int:
    """Count the dials that the acting agent has requested since then."""
    query = select(func.count()).where(dials.c.agent == unit.actor.name, dials.c.requested_at >= since)
    return int((await unit.connection.execute(query)).scalar_one())
