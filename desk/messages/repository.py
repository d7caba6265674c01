"""Texts to patients in the database: sealed while they wait. Only their state is kept when they have left."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Select, func, insert, select, update

from desk.database import cursors
from desk.database.pages import Page
from desk.database.unit_of_work import Unit
from desk.ids import InquiryId
from desk.messages.model import NOT_DELIVERED, SmsFilter, SmsKind, SmsRecord, SmsState
from desk.schema.scope import in_scope
from desk.schema.tables import callbacks, inquiries, outbox, promises

PHONE: Final = "outbox.phone"
TEXT: Final = "outbox.text"
"""What a sealed number and a sealed text are bound to, along with the row's id."""

c = outbox.c


@dataclass(frozen=True)
class SmsRow:
    """One text. `phone` and `text` are sealed, and deleted when it is no longer queued.

    `tries` grows each time it is taken to be sent. `parts`: what the gateway reported, by part of the text.
    """

    id: int
    inquiry_id: InquiryId
    department: str
    kind: SmsKind
    key: str
    state: SmsState
    phone: bytes | None
    text: bytes | None
    tries: int
    parts: Mapping[str, str]


@dataclass(frozen=True)
class DueText:
    """A text that a sender has taken. `is_true`: its promise is still the inquiry's. `by`: the promised moment."""

    row: SmsRow
    is_true: bool
    by: datetime


async def add(unit: Unit, id: InquiryId, kind: SmsKind) -> int:
    """Add a text about the inquiry's newest promise, to be filled in. Returns its id."""
    newest = select(func.max(promises.c.id)).where(promises.c.inquiry_id == id).scalar_subquery()
    values: dict[str, Any] = {"callback_id": id, "kind": kind.value}
    values |= {"at": unit.now, "changed_at": unit.now, "next_at": unit.now}
    values |= {"key": str(uuid4()), "state": SmsState.QUEUED.value, "tries": 0, "phone": b"", "text": b""}
    added = await unit.connection.execute(insert(outbox).values(promise_id=newest, **values).returning(c.id))
    row_id = int(added.scalar_one())
    await _show(unit, id, row_id, SmsState.QUEUED)
    return row_id


async def fill(unit: Unit, id: int, **sealed: bytes) -> None:
    """Set the sealed `phone` or `text` of a text that waits."""
    await unit.connection.execute(update(outbox).where(c.id == id).values(**sealed))


async def waiting(unit: Unit, id: InquiryId) -> list[SmsRow]:
    """Return the inquiry's texts that wait. The inquiry must be locked already."""
    query = _rows().where(c.callback_id == id, c.state == SmsState.QUEUED.value).order_by(c.id)
    return [_row(row) for row in await unit.connection.execute(query.with_for_update(of=outbox))]


async def take(unit: Unit, *, until: datetime) -> DueText | None:
    """Take the next text that is due. Other senders skip it until `until`. Returns None if no text is due."""
    ready = (
        select(c.id)
        .where(c.state == SmsState.QUEUED.value, c.next_at <= unit.now)
        .order_by(c.next_at, c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    id = (await unit.connection.execute(ready)).scalar_one_or_none()
    if id is None:
        return None
    await unit.connection.execute(update(outbox).where(c.id == id).values(next_at=until, tries=c.tries + 1))
    of_text = promises.c
    query = _rows(
        *(inquiries.c.closed_reason, inquiries.c.promise_from, inquiries.c.promise_by),
        *(of_text.promise_from.label("text_from"), of_text.promise_by.label("text_by")),
    ).outerjoin(promises, of_text.id == c.promise_id)
    row = (await unit.connection.execute(query.where(c.id == id))).one()
    same_promise = (row.promise_from, row.promise_by) == (row.text_from, row.text_by)
    return DueText(_row(row), same_promise and row.closed_reason is None, row.text_by or row.promise_by)


async def locked(unit: Unit, key: str) -> SmsRow | None:
    """Lock the text with that key until this unit of work ends. Returns None if there is none.

    The inquiry is locked first, as every unit of work does that changes both.
    """
    try:
        known = c.key == str(UUID(key))
    except ValueError:
        return None
    inquiry_id = (await unit.connection.execute(select(c.callback_id).where(known))).scalar_one_or_none()
    if inquiry_id is None:
        return None
    await unit.connection.execute(select(inquiries.c.id).where(inquiries.c.id == inquiry_id).with_for_update())
    return _row((await unit.connection.execute(_rows().where(known).with_for_update(of=outbox))).one())


async def postpone(unit: Unit, row: SmsRow, next_at: datetime) -> None:
    """Let the text be tried again at that time, unless another sender has taken it meanwhile."""
    mine = (c.id == row.id, c.tries == row.tries, c.state == SmsState.QUEUED.value)
    await unit.connection.execute(update(outbox).where(*mine).values(next_at=next_at))


async def change(unit: Unit, row: SmsRow, state: SmsState, *, reason: str | None = None) -> None:
    """Change the state of a locked text. Its words and number are deleted as soon as it has left."""
    values: dict[str, Any] = {"state": state.value, "changed_at": unit.now}
    if state is not SmsState.QUEUED:
        values |= {"phone": None, "text": None}
    if reason:
        values["reason"] = reason
    await unit.connection.execute(update(outbox).where(c.id == row.id).values(**values))
    await _show(unit, row.inquiry_id, row.id, state)


async def record(unit: Unit, row: SmsRow, **values: Any) -> None:
    """Store the `reference` or `parts` of a locked text. Its state stays."""
    await unit.connection.execute(update(outbox).where(c.id == row.id).values(**values))


async def of_promises(unit: Unit, ids: Collection[int]) -> dict[int, SmsState]:
    """Return the state of the newest text of each promise that has one."""
    query = select(c.promise_id, c.state).where(c.promise_id.in_(ids)).order_by(c.id)
    return {row.promise_id: SmsState(row.state) for row in await unit.connection.execute(query)}


async def page(unit: Unit, filters: SmsFilter, *, cursor: str | None, limit: int) -> Page[SmsRecord]:
    """List the texts about inquiries in the actor's scope, oldest first. Raises BadCursor."""
    kept = inquiries.c.forgotten_at.is_(None)
    query = _records().where(kept, *in_scope(unit, inquiries.c.department), *_conditions(filters))
    if cursor is not None:
        query = query.where(c.id > cursors.TEXTS.key(cursor)[0])
    found = (await unit.connection.execute(query.order_by(c.id).limit(limit + 1))).all()
    page = Page.cut(found, limit, lambda last: cursors.TEXTS.after(last.id))
    return Page([_record(unit, row) for row in page.items], page.next_cursor)


async def backlog(unit: Unit) -> tuple[int, datetime | None]:
    """Count the texts that wait, and return the time of the oldest."""
    query = select(func.count(), func.min(c.at)).where(c.state == SmsState.QUEUED.value)
    count, oldest = (await unit.connection.execute(query)).one()
    return count, oldest


async def undelivered(unit: Unit, since: datetime) -> list[tuple[str, SmsState, str | None, int]]:
    """Count the texts written since then that did not arrive, by department, state and reason."""
    states = [each.value for each in NOT_DELIVERED]
    columns = (inquiries.c.department, c.state, c.reason)
    query = (
        select(*columns, func.count())
        .join_from(outbox, inquiries, c.callback_id == inquiries.c.id)
        .where(c.state.in_(states), c.at >= since, *in_scope(unit, inquiries.c.department))
        .group_by(*columns)
        .order_by(*columns)
    )
    found = await unit.connection.execute(query)
    return [(department, SmsState(state), reason, count) for department, state, reason, count in found]


async def _show(unit: Unit, id: InquiryId, row_id: int, state: SmsState) -> None:
    """Copy the state of the inquiry's newest text to the inquiry. Its version stays, so no one's edit conflicts."""
    newest = select(func.max(c.id)).where(c.callback_id == id).scalar_subquery()
    mine = (callbacks.c.id == id, newest == row_id)
    await unit.connection.execute(update(callbacks).where(*mine).values(sms=state.value))


def _conditions(filters: SmsFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filters.ids is not None:
        conditions.append(c.id.in_(list(filters.ids)))
    if filters.inquiries is not None:
        conditions.append(c.callback_id.in_(list(filters.inquiries)))
    if filters.states is not None:
        conditions.append(c.state.in_([each.value for each in filters.states]))
    if filters.changed_since is not None:
        conditions.append(c.changed_at >= filters.changed_since)
    if filters.changed_before is not None:
        conditions.append(c.changed_at < filters.changed_before)
    return conditions


def _records() -> Select[Any]:
    own = (c.id, c.callback_id, c.kind, c.state, c.reason, c.at, c.changed_at)
    return select(*own, inquiries.c.department).join_from(outbox, inquiries, c.callback_id == inquiries.c.id)


def _record(unit: Unit, row: Any) -> SmsRecord:
    """Make the record of a row, and record that the unit's actor is shown the callback."""
    unit.saw(row.callback_id, row.department)
    return SmsRecord(
        id=row.id,
        inquiry_id=row.callback_id,
        department=row.department,
        kind=SmsKind(row.kind),
        state=SmsState(row.state),
        reason=row.reason,
        written_at=row.at,
        changed_at=row.changed_at,
    )


def _rows(*more: Any) -> Any:
    own = (c.id, c.callback_id, c.kind, c.key, c.state, c.phone, c.text, c.tries, c.parts)
    return select(*own, inquiries.c.department, *more).join_from(outbox, inquiries, c.callback_id == inquiries.c.id)


def _row(row: Any) -> SmsRow:
    return SmsRow(
        id=row.id,
        inquiry_id=row.callback_id,
        department=row.department,
        kind=SmsKind(row.kind),
        key=row.key,
        state=SmsState(row.state),
        phone=row.phone,
        text=row.text,
        tries=row.tries,
        parts=row.parts or {},
    )
