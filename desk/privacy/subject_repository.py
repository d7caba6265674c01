"""Everything held on one person, found in the database: callbacks, and every table that belongs to a callback."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Table, select

from desk.callbacks.repository import kept
from desk.database.engine import Connection
from desk.key_rotation.sealed_columns import NOT_SEALED
from desk.numbers.phone_number import PhoneNumber
from desk.schema.audit_tables import audit_callbacks
from desk.schema.tables import answers, callbacks, calls, metadata, recordings

c = callbacks.c

Row = dict[str, Any]

OF_CALLBACKS: Final[tuple[Table, ...]] = tuple(
    table
    for table in metadata.sorted_tables
    if "callback_id" in table.c and table not in (callbacks, recordings, audit_callbacks)
)
"""Tables whose rows belong to a callback, whoever made them. Recordings are told by what is heard in them, the audit by
its own extract."""


async def of_person(connection: Connection, indexes: Sequence[bytes]) -> list[Row]:
    """The person's callbacks, locked, oldest first."""
    return await _callbacks(connection, c.patient_index.in_(indexes))


async def of_phone(connection: Connection, phone: PhoneNumber) -> list[Row]:
    """Callbacks to that phone which name no person, locked, oldest first."""
    return await _callbacks(connection, (c.phone == phone.e164) & c.patient_index.is_(None))


async def belonging(connection: Connection, table: Table, ids: Sequence[str]) -> list[Row]:
    """The rows of `table` that belong to these callbacks."""
    (key,) = table.primary_key
    query = select(*_told(table), table.c.callback_id).where(table.c.callback_id.in_(ids)).order_by(key)
    return [dict(row._mapping) for row in await connection.execute(query)]


async def incomplete_calls(connection: Connection, phone: PhoneNumber) -> list[Row]:
    """Calls from that phone that led to no callback."""
    query = select(*_told(calls)).where(calls.c.incomplete, calls.c.phone == phone.e164).order_by(calls.c.id)
    return [dict(row._mapping) for row in await connection.execute(query)]


async def sealed_answers(connection: Connection) -> list[tuple[int, bytes]]:
    """Every answer kept for repeated requests."""
    found = await connection.execute(select(answers.c.id, answers.c.answer).where(answers.c.answer.is_not(None)))
    return [(id, bytes(answer)) for id, answer in found]


async def _callbacks(connection: Connection, of: Any) -> list[Row]:
    query = select(*_told(callbacks)).where(of, kept).order_by(c.created_at, c.id).with_for_update()
    return [dict(row._mapping) for row in await connection.execute(query)]


def _told(table: Table) -> list[Any]:
    """All columns but those that hold only an HMAC or a hash."""
    return [column for column in table.c if f"{table.name}.{column.name}" not in NOT_SEALED]
