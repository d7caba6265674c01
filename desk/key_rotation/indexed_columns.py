"""The columns of indexes the vault makes: this one list is what counting and renewing go by.

Add every new index column to `INDEXED`. Only the indexes of inquiries can be renewed, from the sealed number in the
same row; a subject key that is the index is renewed with it. The key of the others is needed until their rows are
deleted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, LargeBinary, bindparam, case, func, literal, select, update

from desk.database.unit_of_work import Unit
from desk.schema.tables import answers, audit, audit_callbacks, calls, inquiries
from desk.vault.vault import VERSION_BYTES

c = inquiries.c

PATIENT: Final = c.patient_index
INDEXED: Final[tuple[Column[Any], ...]] = (
    PATIENT,
    calls.c.patient_index,
    answers.c.fingerprint,
    audit.c.patient_index,
    audit_callbacks.c.patient_index,
)

_OPEN: Final = c.status != "closed"


@dataclass(frozen=True)
class OldIndex:
    """An inquiry's index under an older key, and the sealed number it is made from. `busy`: the inquiry is open."""

    row: str
    number: bytes
    index: bytes
    busy: bool


async def page_of_old(unit: Unit, version: int, after: str | None, limit: int) -> Sequence[OldIndex]:
    """The next inquiries whose index is of another key version than this, by primary key."""
    query = select(c.id, c.patient_number, PATIENT, _OPEN.label("busy"))
    query = query.where(PATIENT.is_not(None), ~_of_version(PATIENT, version))
    if after is not None:
        query = query.where(c.id > after)
    found = await unit.connection.execute(query.order_by(c.id).limit(limit))
    return [OldIndex(row.id, bytes(row.patient_number), bytes(row.patient_index), row.busy) for row in found]


async def replace(unit: Unit, new_indexes: Sequence[tuple[OldIndex, bytes]]) -> None:
    """Replace the indexes of closed inquiries. A row that has changed meanwhile is left alone."""
    old, new = bindparam("old", type_=LargeBinary), bindparam("new", type_=LargeBinary)
    statement = update(inquiries).where(c.id == bindparam("of_row"), c.patient_index == old).values(_renewed(old, new))
    values = [{"of_row": each.row, "old": each.index, "new": index} for each, index in new_indexes]
    await unit.connection.execute(statement, values)


async def replace_of_open(unit: Unit, old: OldIndex, new: bytes) -> bool:
    """Replace the index of one open inquiry.

    False, and nothing is changed, while another one is open in the department with the subject key `new`.
    """
    other = inquiries.alias()
    same = (other.c.department == c.department, other.c.kind == c.kind, other.c.subject_key == new)
    has_another = select(literal(1)).where(*same, other.c.status != "closed").correlate(inquiries).exists()
    unchanged = (c.id == old.row, c.patient_index == old.index)
    renewed = _renewed(old.index, literal(new))
    replaced = await unit.connection.execute(update(inquiries).where(*unchanged, ~has_another).values(renewed))
    if replaced.rowcount:
        return True
    return (await unit.connection.execute(select(c.id).where(*unchanged))).one_or_none() is None


async def counts(unit: Unit, column: Column[Any]) -> dict[int, int]:
    """The number of indexes by the version of their key."""
    version = _version(column).label("version")
    query = select(version, func.count()).where(column.is_not(None)).group_by(version)
    return {int.from_bytes(begins, "big"): count for begins, count in await unit.connection.execute(query)}


def name(column: Column[Any]) -> str:
    """table.column."""
    return f"{column.table.name}.{column.name}"


def _renewed(old: Any, new: ColumnElement[bytes]) -> dict[Column[Any], Any]:
    return {PATIENT: new, c.subject_key: case((c.subject_key == old, new), else_=c.subject_key)}


def _version(column: Column[Any]) -> ColumnElement[bytes]:
    return func.substr(column, 1, VERSION_BYTES)


def _of_version(column: Column[Any], version: int) -> ColumnElement[bool]:
    return _version(column) == literal(version.to_bytes(VERSION_BYTES, "big"))
