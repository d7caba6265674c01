"""First-time callers and callbacks marked as part of a flood, in the database."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, func, select, true, update

from desk.database.unit_of_work import Unit
from desk.ids import InquiryId
from desk.inquiries.model import Inquiry, Kind, Status
from desk.inquiries.repository import c, read, shown
from desk.numbers.phone_number import PhoneNumber
from desk.schema.scope import in_scope, is_department, one_of
from desk.schema.tables import callbacks, inquiries

CALLBACK: Final = c.kind == Kind.CALLBACK.value
MARKED: Final = (CALLBACK, c.suspected == true(), c.status == Status.WAITING.value, c.forgotten_at.is_(None))


async def known_before(unit: Unit, indexes: Sequence[bytes] | None, phone: PhoneNumber, at: datetime) -> bool:
    """Whether the person or the phone had a callback before that moment that is not marked, in any department."""
    earlier = (c.created_at < at, ~c.suspected)
    by_phone = select(c.id).join_from(inquiries, callbacks, callbacks.c.id == c.id)
    by_phone = by_phone.where(callbacks.c.phone == phone.e164, callbacks.c.phone != "", *earlier)
    if await _exists(unit, by_phone.exists()):
        return True
    return bool(indexes) and await _exists(
        unit, select(c.id).where(one_of(unit, c.patient_index, list(indexes or ())), *earlier).exists()
    )


async def first_timers(unit: Unit, department: str, since: datetime, window: timedelta) -> int:
    """Count the first-time callers whose callback was stored within the window, in the department."""
    query = select(func.count()).where(c.department == department, c.forgotten_at.is_(None), c.first_time == true())
    query = query.where(c.created_at > since, c.created_at <= since + window)
    return int((await unit.connection.execute(query)).scalar_one())


async def mark(unit: Unit, department: str, *, since: datetime) -> list[InquiryId]:
    """Mark the first-time callers since then who wait and whom no agent changes now. Returns the callbacks' ids."""
    waiting = (CALLBACK, c.department == department, c.forgotten_at.is_(None), c.status == Status.WAITING.value)
    new = (c.created_at > since, c.first_time == true(), ~c.suspected)
    found = select(c.id).where(*waiting, *new).with_for_update(skip_locked=True, key_share=True)
    ids = list((await unit.connection.execute(found)).scalars())
    if ids:
        marked = update(inquiries).where(one_of(unit, c.id, ids), c.status == Status.WAITING.value)
        await unit.connection.execute(marked.values(suspected=True, version=c.version + 1))
    return [InquiryId(id) for id in ids]


async def waiting_marked(unit: Unit, department: str, limit: int) -> list[Inquiry]:
    """Lock the marked callbacks that wait in the department, the oldest first. Those being changed are passed over."""
    query = select(*shown).where(is_department(unit, c.department, department), *MARKED)
    query = query.order_by(c.created_at, c.id).limit(limit).with_for_update(skip_locked=True)
    return [read(unit, row) for row in await unit.connection.execute(query)]


async def count_marked(unit: Unit, department: str) -> int:
    """Count the marked callbacks that wait in the department."""
    query = select(func.count()).where(is_department(unit, c.department, department), *MARKED)
    return int((await unit.connection.execute(query)).scalar_one())


async def counts_of_marked(unit: Unit) -> dict[str, int]:
    """Count the marked callbacks that wait, by department in the actor's scope."""
    query = select(c.department, func.count()).where(*in_scope(unit, c.department), *MARKED).group_by(c.department)
    return {department: count for department, count in await unit.connection.execute(query)}


async def _exists(unit: Unit, condition: ColumnElement[bool]) -> bool:
    return bool((await unit.connection.execute(select(condition))).scalar_one())
