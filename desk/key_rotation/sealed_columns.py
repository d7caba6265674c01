"""Every column whose values the vault seals, in this one place: they are rotated, counted, and opened from here.

Whoever adds such a column adds it to `SEALED`; a test fails while one is missing. Its table has one primary key, which
the value is bound to (`Sealed.name`, then the row).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, LargeBinary, bindparam, case, func, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from desk.database.engine import Connection
from desk.schema.tables import (
    answers,
    audit_patients,
    callbacks,
    external_identities,
    outbox,
    recordings,
    second_factors,
)

HEADER_BYTES = 3
FIRST_FORMAT = b"\x01"


@dataclass(frozen=True, eq=False)
class Sealed:
    """One column of sealed values. `busy`: rows that others pass over while they are locked; never many at once."""

    column: Column[Any]
    busy: ColumnElement[bool]

    @property
    def name(self) -> str:
        """What its values are bound to: table.column."""
        return f"{self.column.table.name}.{self.column.name}"

    @property
    def row(self) -> Column[Any]:
        """The primary key of its table."""
        (key,) = self.column.table.primary_key
        return key


_NEVER: Final = literal(False)

NUMBERS: Final = Sealed(callbacks.c.patient_number, busy=callbacks.c.status != "closed")
"""The identity numbers."""

SEALED: Final[tuple[Sealed, ...]] = (
    NUMBERS,
    Sealed(answers.c.answer, busy=_NEVER),
    Sealed(outbox.c.phone, busy=outbox.c.state == "queued"),
    Sealed(outbox.c.text, busy=outbox.c.state == "queued"),
    Sealed(recordings.c.key, busy=_NEVER),
    Sealed(audit_patients.c.number, busy=_NEVER),
    Sealed(external_identities.c.refresh_token, busy=_NEVER),
    Sealed(second_factors.c.secret, busy=_NEVER),
)

NOT_SEALED: Final = frozenset(
    {
        *("callbacks.patient_index", "answers.fingerprint", "tokens.hash", "vault_keys.canary"),
        *("recordings.sound", "audit.patient_index", "audit.through_hash", "audit.hash"),
        *("audit_callbacks.patient_index", "audit_patients.patient_index"),
        *("sessions.hash", "devices.hash", "used_nonces.hash", "recovery_codes.hash"),
    }
)
"""Columns of bytes that hold an HMAC, a hash, a canary, or what is sealed with a key that is in the row, sealed."""


@dataclass(frozen=True)
class Value:
    """One sealed value as it stands in its row."""

    row: str | int
    sealed: bytes
    busy: bool


async def page(connection: Connection, of: Sealed, after: str | int | None, limit: int) -> Sequence[Value]:
    """The next rows with a value, by primary key."""
    query = select(of.row, of.column, of.busy.label("busy")).where(of.column.is_not(None))
    if after is not None:
        query = query.where(of.row > after)
    found = await connection.execute(query.order_by(of.row).limit(limit))
    return [Value(row, bytes(sealed), busy) for row, sealed, busy in found]


async def exchange(connection: Connection, of: Sealed, anew: Sequence[tuple[Value, bytes]]) -> None:
    """Put newly sealed values in place of those they were made from; a value changed meanwhile is left alone."""
    if connection.dialect.name == "postgresql":
        await _exchange_at_once(connection, of, anew)
        return
    statement = (
        update(of.column.table)
        .where(of.row == bindparam("of_row"), of.column == bindparam("old"))
        .values({of.column: bindparam("new")})
    )
    await connection.execute(
        statement, [{"of_row": value.row, "old": value.sealed, "new": sealed} for value, sealed in anew]
    )


async def _exchange_at_once(connection: Connection, of: Sealed, anew: Sequence[tuple[Value, bytes]]) -> None:
    """All in one statement: many times quicker than one each."""
    given = (
        func.unnest(
            bindparam("rows", [value.row for value, _ in anew], type_=ARRAY(of.row.type)),
            bindparam("olds", [value.sealed for value, _ in anew], type_=ARRAY(LargeBinary)),
            bindparam("news", [sealed for _, sealed in anew], type_=ARRAY(LargeBinary)),
        )
        .table_valued(Column("of_row", of.row.type), Column("old", LargeBinary), Column("new", LargeBinary))
        .render_derived()
    )
    mine = (of.row == given.c.of_row, of.column == given.c.old)
    await connection.execute(update(of.column.table).where(*mine).values({of.column: given.c.new}))


async def counts(connection: Connection, of: Sealed) -> dict[bytes, int]:
    """How many values there are by what they begin with: the header, or the first format's one byte."""
    head = func.substr(of.column, 1, HEADER_BYTES)
    first = func.substr(of.column, 1, 1)
    start = case((first == FIRST_FORMAT, first), else_=head).label("start")
    query = select(start, func.count()).where(of.column.is_not(None)).group_by(start)
    return {bytes(begins or b""): count for begins, count in await connection.execute(query)}


async def one(connection: Connection, of: Sealed) -> Value | None:
    """Any one value."""
    found = await page(connection, of, None, 1)
    return found[0] if found else None


async def sample_of_index(connection: Connection) -> tuple[Value, bytes] | None:
    """A sealed identity number with the index it is found by."""
    query = select(callbacks.c.id, callbacks.c.patient_number, callbacks.c.patient_index)
    row = (await connection.execute(query.where(callbacks.c.patient_number.is_not(None)).limit(1))).one_or_none()
    return (Value(row.id, bytes(row.patient_number), False), bytes(row.patient_index)) if row else None
