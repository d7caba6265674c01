"""Calls in the database: one row for each (Asterisk, channel), whether it led to a callback or not."""

from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from desk.access.permissions import Scope
from desk.callbacks.model import CallKey, IncompleteStep, RecordedCall, WhyEnded
from desk.database import cursors
from desk.database.engine import Connection
from desk.database.pages import Page
from desk.numbers.phone_number import PhoneNumber
from desk.schema.scope import within
from desk.schema.tables import calls

c = calls.c


async def find(connection: Connection, key: CallKey, *, scope: Scope) -> RecordedCall | None:
    """What is kept of that call; locked for this unit of work."""
    query = select(calls).where(c.asterisk_id == key.asterisk_id, c.channel_id == key.channel_id)
    query = query.where(*within(connection, c.department, scope))
    row = (await connection.execute(query.with_for_update())).one_or_none()
    return _read(row) if row else None


async def keep(
    connection: Connection,
    known: RecordedCall | None,
    *,
    key: CallKey,
    department: str,
    at: datetime,
    phone: PhoneNumber | None,
    step: IncompleteStep | None = None,
    why: WhyEnded | None = None,
    callback_id: str | None = None,
) -> None:
    """Add the call, or change the one `known` of that key. `Conflict` if another unit of work has just added it."""
    values: dict[str, Any] = {
        "phone": phone.e164 if phone else None,
        "phone_mobile": phone.mobile if phone else None,
        "step": step,
        "why": why,
        "incomplete": callback_id is None,
        "callback_id": callback_id,
    }
    if known:
        await connection.execute(update(calls).where(c.id == known.id, c.incomplete).values(**values))
        return
    values |= {"asterisk_id": key.asterisk_id, "channel_id": key.channel_id, "department": department, "at": at}
    await connection.execute(insert(calls).values(**values))


async def page(
    connection: Connection, *, scope: Scope, incomplete: bool | None, cursor: str | None, limit: int
) -> Page[RecordedCall]:
    """Calls to these departments, oldest first."""
    query = select(calls).where(*within(connection, c.department, scope), c.forgotten_at.is_(None))
    if incomplete is not None:
        query = query.where(c.incomplete.is_(incomplete))
    if cursor is not None:
        query = query.where(c.id > cursors.call_place(cursor))
    found = (await connection.execute(query.order_by(c.id).limit(limit + 1))).all()
    items = [_read(row) for row in found[:limit]]
    return Page(items, cursors.after_call(items[-1].id) if len(found) > limit else None)


def _read(row: Any) -> RecordedCall:
    return RecordedCall(
        id=row.id,
        key=CallKey(row.asterisk_id, row.channel_id),
        department=row.department,
        at=row.at,
        phone=PhoneNumber(row.phone, row.phone_mobile) if row.phone else None,
        step=IncompleteStep(row.step) if row.step else None,
        incomplete=row.incomplete,
        callback_id=row.callback_id,
        why=WhyEnded(row.why) if row.why else None,
    )
