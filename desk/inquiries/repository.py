"""Inquiries in the database."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, not_, or_, select

from desk.database.unit_of_work import Unit
from desk.ids import InquiryId
from desk.inquiries.model import ClosedReason
from desk.schema.tables import callbacks

GIVEN_BACK = (ClosedReason.CANCELLED_BY_CALLER.value, ClosedReason.DUPLICATE.value)
"""Reasons that free the promised time for somebody else."""


async def promised(unit: Unit, department: str, *, excluding: InquiryId | None = None) -> Mapping[datetime, int]:
    """Count the promises for each moment ahead, without those given back and without the inquiry `excluding`.

    On PostgreSQL other units of work that count for this department wait until this one ends, so that two of them
    can't both promise the last place. SQLite has one writer at a time.
    """
    if unit.connection.dialect.name == "postgresql":
        await unit.connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"promised {department}"))))
    c = callbacks.c
    given_back = or_(*(c.closed_reason == reason for reason in GIVEN_BACK))
    query = (
        select(c.promise_by, func.count())
        .where(c.department == department, c.promise_by > unit.now)
        .where(or_(c.closed_reason.is_(None), not_(given_back)))
        .group_by(c.promise_by)
    )
    if excluding is not None:
        query = query.where(c.id != excluding)
    return {by: count for by, count in await unit.connection.execute(query)}
