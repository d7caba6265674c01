"""The columns whose values the vault seals: this one list is what rotation, counting and opening go by.

Add every new sealed column to `SEALED`; a test fails while one is missing. Its table has one primary key, which each
value is bound to (`SealedColumn.name`, then the row).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, LargeBinary, bindparam, func, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from desk.database.unit_of_work import Unit
from desk.schema.tables import (
    answers,
    audit_patients,
    calls,
    external_identities,
    inquiries,
    outbox,
    recordings,
    second_factors,
)
from desk.vault.vault import HEADER_BYTES


@dataclass(frozen=True, eq=False)
class SealedColumn:
    """A column of sealed values. `busy` rows are in use by callers and agents, and are locked only one at a time."""

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

NUMBERS: Final = SealedColumn(inquiries.c.patient_number, busy=inquiries.c.status != "closed")
"""The identity numbers."""

SEALED: Final[tuple[SealedColumn, ...]] = (
    NUMBERS,
    SealedColumn(calls.c.patient_number, busy=_NEVER),
    SealedColumn(answers.c.answer, busy=_NEVER),
    SealedColumn(outbox.c.phone, busy=outbox.c.state == "queued"),
    SealedColumn(outbox.c.text, busy=outbox.c.state == "queued"),
    SealedColumn(recordings.c.key, busy=_NEVER),
    SealedColumn(audit_patients.c.number, busy=_NEVER),
    SealedColumn(external_identities.c.refresh_token, busy=_NEVER),
    SealedColumn(second_factors.c.secret, busy=_NEVER),
)

NOT_SEALED: Final = frozenset(
    {
        *(
            "inquiries.patient_index",
            "calls.patient_index",
            "inquiries.subject_key",
            "answers.fingerprint",
            "tokens.hash",
            "vault_keys.canary",
        ),
        *("recordings.sound", "audit.patient_index", "audit.through_hash", "audit.hash"),
        *("audit_callbacks.patient_index", "audit_patients.patient_index"),
        *("sessions.hash", "devices.hash", "used_nonces.hash", "recovery_codes.hash"),
    }
)
"""Columns of bytes that hold an HMAC, a hash, a phone, a canary, or a sound whose own key is sealed in the same row."""


@dataclass(frozen=True)
class SealedValue:
    """One sealed value in its row."""

    row: str | int
    sealed: bytes
    busy: bool


async def page(unit: Unit, of: SealedColumn, after: str | int | None, limit: int) -> Sequence[SealedValue]:
    """The next rows with a value, by primary key."""
    query = select(of.row, of.column, of.busy.label("busy")).where(of.column.is_not(None))
    if after is not None:
        query = query.where(of.row > after)
    found = await unit.connection.execute(query.order_by(of.row).limit(limit))
    return [SealedValue(row, bytes(sealed), busy) for row, sealed, busy in found]


async def replace(unit: Unit, of: SealedColumn, new_values: Sequence[tuple[SealedValue, bytes]]) -> None:
    """Replace values by newly sealed ones. A value that has changed meanwhile is left alone."""
    if unit.connection.dialect.name == "postgresql":
        await _replace_in_one_statement(unit, of, new_values)
        return
    statement = (
        update(of.column.table)
        .where(of.row == bindparam("of_row"), of.column == bindparam("old"))
        .values({of.column: bindparam("new")})
    )
    await unit.connection.execute(
        statement, [{"of_row": value.row, "old": value.sealed, "new": sealed} for value, sealed in new_values]
    )


async def _replace_in_one_statement(
    unit: Unit, of: SealedColumn, new_values: Sequence[tuple[SealedValue, bytes]]
) -> None:
    given = (
        func.unnest(
            bindparam("rows", [value.row for value, _ in new_values], type_=ARRAY(of.row.type)),
            bindparam("olds", [value.sealed for value, _ in new_values], type_=ARRAY(LargeBinary)),
            bindparam("news", [sealed for _, sealed in new_values], type_=ARRAY(LargeBinary)),
        )
        .table_valued(Column("of_row", of.row.type), Column("old", LargeBinary), Column("new", LargeBinary))
        .render_derived()
    )
    unchanged = (of.row == given.c.of_row, of.column == given.c.old)
    await unit.connection.execute(update(of.column.table).where(*unchanged).values({of.column: given.c.new}))


async def counts(unit: Unit, of: SealedColumn) -> dict[bytes, int]:
    """The number of values by header."""
    header = func.substr(of.column, 1, HEADER_BYTES).label("header")
    query = select(header, func.count()).where(of.column.is_not(None)).group_by(header)
    return {bytes(begins or b""): count for begins, count in await unit.connection.execute(query)}
