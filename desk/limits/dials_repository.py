"""Counting dials, in their own table."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import func, or_, select, text

from desk.database.unit_of_work import Unit
from desk.numbers.phone_number import PhoneNumber
from desk.schema.tables import dials

TRUNK: Final = 0x1AA17A1C
"""PostgreSQL advisory lock: only its holder starts a call on the trunk. SQLite has one writer anyway."""


async def calls_to_number(unit: Unit, phone: PhoneNumber, *, since: datetime) -> int:
    """Count the calls to that number since then."""
    query = select(func.count()).where(dials.c.phone == phone.e164, dials.c.rung_at >= since)
    return int((await unit.connection.execute(query)).scalar_one())


async def requested_by_agent(unit: Unit, *, since: datetime) -> int:
    """Count the dials that the acting agent has requested since then."""
    query = select(func.count()).where(dials.c.agent == unit.actor.name, dials.c.requested_at >= since)
    return int((await unit.connection.execute(query)).scalar_one())


async def lock_trunk(unit: Unit) -> None:
    """Let no other call start on the trunk until this unit of work has ended."""
    if unit.connection.dialect.name == "postgresql":
        await unit.connection.execute(text("select pg_advisory_xact_lock(:trunk)"), {"trunk": TRUNK})


async def calls_on_the_trunk(unit: Unit, *, since: datetime) -> int:
    """Count the calls to patients since then."""
    query = select(func.count()).where(dials.c.rung_at >= since)
    return int((await unit.connection.execute(query)).scalar_one())


async def talks_on_the_trunk(unit: Unit, *, since: datetime) -> Sequence[tuple[datetime, datetime | None]]:
    """When the conversations with patients since then began and ended. None: it goes on."""
    going_on = or_(dials.c.ended_at.is_(None), dials.c.ended_at >= since)
    query = select(dials.c.bridged_at, dials.c.ended_at).where(dials.c.bridged_at.is_not(None), going_on)
    return [(row.bridged_at, row.ended_at) for row in await unit.connection.execute(query)]
