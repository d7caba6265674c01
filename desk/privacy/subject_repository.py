"""Everything stored about one person: their callbacks, and the rows of every table that belongs to a callback."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Table, select

from desk.database.unit_of_work import Unit
from desk.ids import CallbackId
from desk.inquiries.repository import kept
from desk.key_rotation.sealed_columns import NOT_SEALED
from desk.numbers.phone_number import PhoneNumber
from desk.schema.audit_tables import audit_callbacks
from desk.schema.tables import answers, callbacks, calls, inquiries, metadata, recordings

c = inquiries.c

Row = dict[str, Any]

OF_CALLBACKS: Final[tuple[Table, ...]] = tuple(
    table
    for table in metadata.sorted_tables
    if {"callback_id", "inquiry_id"} & set(table.c.keys()) and table not in (recordings, audit_callbacks)
)
"""Tables whose rows belong to a callback. Recordings are exported as sound, and the audit has an export of its own."""


async def of_person(unit: Unit, indexes: Sequence[bytes]) -> list[Row]:
    """Lock the person's callbacks, oldest first."""
    return await _callbacks(unit, c.patient_index.in_(indexes))


async def of_phone(unit: Unit, phone: PhoneNumber) -> list[Row]:
    """Lock the callbacks to that phone that name no person, oldest first."""
    return await _callbacks(unit, (callbacks.c.phone == phone.e164) & c.patient_index.is_(None))


async def belonging(unit: Unit, table: Table, ids: Sequence[CallbackId]) -> list[Row]:
    """Return the rows of `table` that belong to these callbacks."""
    (key,) = table.primary_key
    of = table.c.callback_id if "callback_id" in table.c else table.c.inquiry_id
    own = [column for column in _readable(table) if column is not of]
    query = select(*own, of.label("callback_id")).where(of.in_(ids)).order_by(key)
    return [dict(row._mapping) for row in await unit.connection.execute(query)]


async def incomplete_calls(unit: Unit, phone: PhoneNumber) -> list[Row]:
    """Return the calls from that phone that led to no callback."""
    query = select(*_readable(calls)).where(calls.c.incomplete, calls.c.phone == phone.e164).order_by(calls.c.id)
    return [dict(row._mapping) for row in await unit.connection.execute(query)]


async def sealed_answers(unit: Unit) -> list[tuple[int, bytes]]:
    """Return every answer stored for repeated requests."""
    query = select(answers.c.id, answers.c.answer).where(answers.c.answer.is_not(None))
    return [(id, bytes(answer)) for id, answer in await unit.connection.execute(query)]


async def _callbacks(unit: Unit, of: Any) -> list[Row]:
    own = [column for column in _readable(callbacks) if column is not callbacks.c.id]
    query = select(*_readable(inquiries), *own).join_from(inquiries, callbacks, callbacks.c.id == c.id).where(of, kept)
    query = query.order_by(c.created_at, c.id).with_for_update()
    found = [dict(row._mapping) for row in await unit.connection.execute(query)]
    for row in found:
        unit.saw(row["id"], row["department"])
    return found


def _readable(table: Table) -> list[Any]:
    """All columns but those that hold only an HMAC or a hash."""
    return [column for column in table.c if f"{table.name}.{column.name}" not in NOT_SEALED]
