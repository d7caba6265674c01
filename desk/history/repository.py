"""The history in the database: rows are added, never changed. Ids grow, so a reader can go on from the last it read."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Insert, bindparam, func, insert, select

from desk.database.notify import DIALS, HISTORY, announce
from desk.database.unit_of_work import Unit
from desk.history.model import HistoryEntry, HistoryRow
from desk.ids import InquiryId
from desk.schema.scope import about, one_of
from desk.schema.tables import history, inquiries

DIAL_EVENTS = "dial_"
"""How the events of dials begin."""

_ID = bindparam("of", type_=inquiries.c.id.type)
_VERSION = select(inquiries.c.version).where(inquiries.c.id == _ID).scalar_subquery()

changed_at = func.coalesce(
    select(func.min(history.c.at))
    .where(history.c.inquiry_id == inquiries.c.id, history.c.version == inquiries.c.version)
    .correlate(inquiries)
    .scalar_subquery(),
    inquiries.c.created_at,
)
"""When an inquiry got the version that it has, as a column of a query over `inquiries`."""


async def add(unit: Unit, entries: Sequence[HistoryEntry]) -> None:
    """Add the events in this order, as done by the actor of the unit of work."""
    if not entries:
        return
    rows = [{"of": entry.inquiry_id, **_values(unit, entry)} for entry in entries]
    await unit.connection.execute(insert(history).values(version=_VERSION), rows)


def adding_first(unit: Unit, entry: HistoryEntry, version: int) -> Insert:
    """The statement that adds the first event of an inquiry, which is added together with it in this `version`."""
    return insert(history).values(version=version, **_values(unit, entry))


def adding_next(unit: Unit, entry: HistoryEntry) -> Insert:
    """The statement that adds the event of a change, before or together with the change: its version is the next."""
    next_version = select(inquiries.c.version + 1).where(inquiries.c.id == entry.inquiry_id).scalar_subquery()
    return insert(history).values(version=next_version, **_values(unit, entry))


def _values(unit: Unit, entry: HistoryEntry) -> dict[str, Any]:
    """An event as the columns of `history` but its version. It is announced when the unit of work commits."""
    announce(unit.connection.info, HISTORY, *[DIALS] * entry.event.startswith(DIAL_EVENTS))
    return {
        "inquiry_id": entry.inquiry_id,
        "department": entry.department,
        "at": unit.now,
        "event": entry.event,
        "actor": unit.actor.name,
        "from_status": entry.from_status,
        "to_status": entry.to_status,
        "details": dict(entry.details),
        "note": entry.note,
    }


async def of_inquiry(unit: Unit, id: InquiryId) -> list[HistoryRow]:
    """Return everything that happened to an inquiry, oldest first, in every department it has been in."""
    query = select(history).where(*about(unit, history.c.inquiry_id, id)).order_by(history.c.id)
    return [_row(row) for row in await unit.connection.execute(query)]


async def last_transition(unit: Unit, id: InquiryId) -> HistoryRow | None:
    """Return the newest event that changed the inquiry's status."""
    query = select(history).where(history.c.inquiry_id == id, history.c.to_status.is_not(None))
    row = (await unit.connection.execute(query.order_by(history.c.id.desc()).limit(1))).one_or_none()
    return _row(row) if row else None


async def changed(unit: Unit, ids: Collection[str]) -> Mapping[str, tuple[datetime, datetime | None]]:
    """Return when each of these inquiries got the version that it has, and when it was closed, if it is."""
    query = select(inquiries.c.id, changed_at, inquiries.c.closed_at)
    found = await unit.connection.execute(query.where(one_of(unit, inquiries.c.id, list(ids))))
    return {id: (at, closed) for id, at, closed in found}


def _row(row: Any) -> HistoryRow:
    return HistoryRow(
        id=row.id,
        at=row.at,
        event=row.event,
        actor=row.actor,
        from_status=row.from_status,
        to_status=row.to_status,
        details=row.details,
        note=row.note,
    )
