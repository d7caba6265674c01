"""Texts to patients in the database: sealed while they wait, and only their state kept once they have left."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import func, insert, select, update

from desk.database.engine import Connection
from desk.inquiries.model import Status
from desk.messages.model import SmsKind, SmsState
from desk.schema.tables import callbacks, outbox, promises

PHONE: Final = "outbox.phone"
TEXT: Final = "outbox.text"
"""What a sealed number and a sealed text are bound to, with the row's id."""

c = outbox.c


@dataclass(frozen=True)
class SmsRow:
    """One text. `phone` and `text` are sealed, and gone once it is no longer queued.

    `tries` grows each time it is taken to be sent. `parts`: what the gateway reported, by part of the text.
    """

    id: int
    callback_id: str
    department: str
    kind: SmsKind
    key: str
    state: SmsState
    phone: bytes | None
    text: bytes | None
    tries: int
    parts: Mapping[str, str]


@dataclass(frozen=True)
class Taken:
    """A text taken to be sent. `true`: its promise is still the callback's; `by`: the promised moment."""

    row: SmsRow
    true: bool
    by: datetime


async def add(connection: Connection, callback_id: str, kind: SmsKind, now: datetime) -> int:
    """One more text to the patient of that callback, to be filled in; its id. It tells of the newest promise."""
    newest = select(func.max(promises.c.id)).where(promises.c.callback_id == callback_id).scalar_subquery()
    values: dict[str, Any] = {"callback_id": callback_id, "kind": kind.value}
    values |= {"at": now, "changed_at": now, "next_at": now}
    values |= {"key": str(uuid4()), "state": SmsState.QUEUED.value, "tries": 0, "phone": b"", "text": b""}
    added = await connection.execute(insert(outbox).values(promise_id=newest, **values).returning(c.id))
    id = int(added.scalar_one())
    await _show(connection, callback_id, id, SmsState.QUEUED)
    return id


async def fill(connection: Connection, id: int, **sealed: bytes) -> None:
    """The sealed `phone` or `text` of a text that waits."""
    await connection.execute(update(outbox).where(c.id == id).values(**sealed))


async def waiting(connection: Connection, callback_id: str) -> list[SmsRow]:
    """The callback's texts that wait; its row must be locked already."""
    query = _rows().where(c.callback_id == callback_id, c.state == SmsState.QUEUED.value).order_by(c.id)
    return [_row(row) for row in await connection.execute(query.with_for_update(of=outbox))]


async def take(connection: Connection, now: datetime, until: datetime) -> Taken | None:
    """The next text that is due to be sent, kept from other senders until then; None when there is none."""
    ready = (
        select(c.id)
        .where(c.state == SmsState.QUEUED.value, c.next_at <= now)
        .order_by(c.next_at, c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    id = (await connection.execute(ready)).scalar_one_or_none()
    if id is None:
        return None
    await connection.execute(update(outbox).where(c.id == id).values(next_at=until, tries=c.tries + 1))
    told = promises.c
    query = _rows(
        *(callbacks.c.status, callbacks.c.promise_from, callbacks.c.promise_by),
        *(told.promise_from.label("told_from"), told.promise_by.label("told_by")),
    ).outerjoin(promises, told.id == c.promise_id)
    row = (await connection.execute(query.where(c.id == id))).one()
    true = (row.promise_from, row.promise_by) == (row.told_from, row.told_by) and row.status != Status.CLOSED.value
    return Taken(_row(row), true, row.told_by or row.promise_by)


async def locked(connection: Connection, key: str) -> SmsRow | None:
    """The text with that key, kept from others until this unit of work ends; None when there is none.

    The callback is locked first, as everybody else does who changes both.
    """
    try:
        known = c.key == str(UUID(key))
    except ValueError:
        return None
    callback_id = (await connection.execute(select(c.callback_id).where(known))).scalar_one_or_none()
    if callback_id is None:
        return None
    await connection.execute(select(callbacks.c.id).where(callbacks.c.id == callback_id).with_for_update())
    return _row((await connection.execute(_rows().where(known).with_for_update(of=outbox))).one())


async def postpone(connection: Connection, row: SmsRow, next_at: datetime) -> None:
    """Try it again then, unless somebody else has taken it meanwhile."""
    mine = (c.id == row.id, c.tries == row.tries, c.state == SmsState.QUEUED.value)
    await connection.execute(update(outbox).where(*mine).values(next_at=next_at))


async def change(
    connection: Connection, row: SmsRow, state: SmsState, now: datetime, *, reason: str | None = None, **more: Any
) -> None:
    """Another state for a locked text; what it said and to whom is forgotten as soon as it has left."""
    values: dict[str, Any] = {"state": state.value, "changed_at": now, **more}
    if state is not SmsState.QUEUED:
        values |= {"phone": None, "text": None}
    if reason:
        values["reason"] = reason
    await connection.execute(update(outbox).where(c.id == row.id).values(**values))
    await _show(connection, row.callback_id, row.id, state)


async def note(connection: Connection, row: SmsRow, **values: Any) -> None:
    """What else is known of a locked text, its state left alone."""
    await connection.execute(update(outbox).where(c.id == row.id).values(**values))


async def of_promises(connection: Connection, ids: Collection[int]) -> dict[int, SmsState]:
    """The state of the newest text of each promise that has one."""
    query = select(c.promise_id, c.state).where(c.promise_id.in_(ids)).order_by(c.id)
    return {row.promise_id: SmsState(row.state) for row in await connection.execute(query)}


async def backlog(connection: Connection) -> tuple[int, datetime | None]:
    """How many texts wait, and since when the oldest does."""
    query = select(func.count(), func.min(c.at)).where(c.state == SmsState.QUEUED.value)
    count, oldest = (await connection.execute(query)).one()
    return count, oldest


async def _show(connection: Connection, callback_id: str, id: int, state: SmsState) -> None:
    """On the callback itself stands the state of its newest text. The version stays: nobody's edit is disturbed."""
    newest = select(func.max(c.id)).where(c.callback_id == callback_id).scalar_subquery()
    mine = (callbacks.c.id == callback_id, newest == id)
    await connection.execute(update(callbacks).where(*mine).values(sms=state.value))


def _rows(*more: Any) -> Any:
    own = (c.id, c.callback_id, c.kind, c.key, c.state, c.phone, c.text, c.tries, c.parts)
    return select(*own, callbacks.c.department, *more).join_from(outbox, callbacks, c.callback_id == callbacks.c.id)


def _row(row: Any) -> SmsRow:
    return SmsRow(
        id=row.id,
        callback_id=row.callback_id,
        department=row.department,
        kind=SmsKind(row.kind),
        key=row.key,
        state=SmsState(row.state),
        phone=row.phone,
        text=row.text,
        tries=row.tries,
        parts=row.parts or {},
    )
