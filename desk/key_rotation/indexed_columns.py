"""Every column whose values the vault's index key makes, in this one place: they are counted and made anew from here.

Whoever adds such a column adds it to `INDEXED`. Only callbacks can be made anew, from the sealed numbers beside them:
the others' key is needed until their rows are gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, and_, case, func, literal, select, update

from desk.database.engine import Connection
from desk.key_rotation import sealed_columns as sealed
from desk.key_rotation.sealed_columns import Sealed, Value
from desk.schema.tables import answers, audit, audit_callbacks, callbacks

VERSIONED_BYTES = 34
VERSION_BYTES = 2
FIRST_VERSION = 1

c = callbacks.c

PATIENT: Final = c.patient_index
INDEXED: Final[tuple[Column[Any], ...]] = (
    *(PATIENT, answers.c.fingerprint),
    *(audit.c.patient_index, audit_callbacks.c.patient_index),
)

_OPEN: Final = c.status != "closed"
_PATIENTS: Final = Sealed(PATIENT, busy=_OPEN)


@dataclass(frozen=True)
class Stale:
    """The index in a callback's row, and the sealed number it is made from. `busy`: the callback is open."""

    row: str
    number: bytes
    index: bytes
    busy: bool


async def stale(connection: Connection, version: int, after: str | None, limit: int) -> Sequence[Stale]:
    """The next callbacks whose index isn't of that key version, by primary key."""
    query = select(c.id, c.patient_number, PATIENT, _OPEN.label("busy"))
    query = query.where(PATIENT.is_not(None), ~_of_version(PATIENT, version))
    if after is not None:
        query = query.where(c.id > after)
    found = await connection.execute(query.order_by(c.id).limit(limit))
    return [Stale(row.id, bytes(row.patient_number), bytes(row.patient_index), row.busy) for row in found]


async def exchange(connection: Connection, anew: Sequence[tuple[Stale, bytes]]) -> None:
    """Put new indexes in place of those of closed callbacks; a row changed meanwhile is left alone."""
    await sealed.exchange(connection, _PATIENTS, [(Value(old.row, old.index, old.busy), new) for old, new in anew])


async def exchange_open(connection: Connection, old: Stale, new: bytes) -> bool:
    """The same for one open callback. False, and left alone, while its person has another open there, under `new`."""
    other = callbacks.alias()
    same = (other.c.department == c.department, other.c.status != "closed", other.c.patient_index == new)
    twice = select(literal(1)).where(*same).correlate(callbacks).exists()
    mine = (c.id == old.row, c.patient_index == old.index)
    done = await connection.execute(update(callbacks).where(*mine, ~twice).values({PATIENT: new}))
    return done.rowcount > 0 or (await connection.execute(select(c.id).where(*mine))).one_or_none() is None


async def counts(connection: Connection, column: Column[Any]) -> dict[int, int]:
    """How many indexes there are by the version of their key."""
    version = case((func.length(column) == VERSIONED_BYTES, func.substr(column, 1, VERSION_BYTES))).label("version")
    query = select(version, func.count()).where(column.is_not(None)).group_by(version)
    found = await connection.execute(query)
    return {int.from_bytes(begins, "big") if begins else FIRST_VERSION: count for begins, count in found}


def name(column: Column[Any]) -> str:
    """table.column."""
    return f"{column.table.name}.{column.name}"


def _of_version(column: Column[Any], version: int) -> ColumnElement[bool]:
    versioned = func.length(column) == VERSIONED_BYTES
    if version == FIRST_VERSION:
        return ~versioned
    begins = version.to_bytes(VERSION_BYTES, "big")
    return and_(versioned, func.substr(column, 1, VERSION_BYTES) == literal(begins))
