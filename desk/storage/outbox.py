"""Texts to patients in the database, until they are sent."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update

from desk.phone import PhoneNumber
from desk.storage.database import Connection
from desk.storage.tables import callbacks, outbox

SMS = "sms"


@dataclass(frozen=True)
class Text:
    """One text to be sent; `to` is the callback's phone as it is now."""

    id: int
    to: PhoneNumber
    text: str


async def add(connection: Connection, callback_id: str, at: datetime, text: str) -> None:
    """One more text to the patient of that callback."""
    await connection.execute(insert(outbox).values(callback_id=callback_id, at=at, kind=SMS, text=text))


async def oldest_unsent(connection: Connection) -> Text | None:
    """The oldest text that waits, kept from other senders until this unit of work ends."""
    query = (
        select(outbox.c.id, outbox.c.text, callbacks.c.phone, callbacks.c.phone_mobile)
        .join_from(outbox, callbacks, outbox.c.callback_id == callbacks.c.id)
        .where(outbox.c.sent_at.is_(None))
        .order_by(outbox.c.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=outbox)
    )
    row = (await connection.execute(query)).one_or_none()
    return Text(row.id, PhoneNumber(row.phone, row.phone_mobile), row.text) if row else None


async def sent(connection: Connection, id: int, now: datetime) -> None:
    """The gateway took it."""
    await connection.execute(update(outbox).where(outbox.c.id == id).values(sent_at=now))
