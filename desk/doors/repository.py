"""What doors report, in the database."""

from collections.abc import Sequence
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import and_, delete, insert, or_, select, update

from desk.database.unit_of_work import Unit
from desk.doors.model import FORGOTTEN_AFTER, SILENT_AFTER, DoorKind, DoorReport
from desk.files.state import FileState
from desk.schema.tables import doors

c = doors.c

FILES: Final = TypeAdapter(list[FileState])


async def report(unit: Unit, id: str, kind: DoorKind, host: str, files: Sequence[FileState]) -> None:
    """Store what a door holds now."""
    now = {"seen_at": unit.now, "files": FILES.dump_python(list(files), mode="json")}
    found = await unit.connection.execute(update(doors).where(c.id == id).values(**now))
    if not found.rowcount:
        first = {"id": id, "kind": kind.value, "host": host, "started_at": unit.now}
        await unit.connection.execute(insert(doors).values(**first, **now))


async def forget_replaced(unit: Unit, id: str, kind: DoorKind, host: str) -> None:
    """Delete the doors that this one has replaced, and those that were silent for very long."""
    replaced = and_(c.kind == kind.value, c.host == host, c.id != id, c.seen_at < unit.now - SILENT_AFTER)
    await unit.connection.execute(delete(doors).where(or_(replaced, c.seen_at < unit.now - FORGOTTEN_AFTER)))


async def forget(unit: Unit, id: str) -> None:
    """Delete a door."""
    await unit.connection.execute(delete(doors).where(c.id == id))


async def all_doors(unit: Unit) -> Sequence[DoorReport]:
    """Read every door, by kind, the oldest first."""
    rows = await unit.connection.execute(select(doors).order_by(c.kind, c.host, c.started_at))
    return [_read(row) for row in rows]


def _read(row: Any) -> DoorReport:
    files = FILES.validate_python(row.files)
    return DoorReport(row.id, DoorKind(row.kind), row.host, row.started_at, row.seen_at, files)
