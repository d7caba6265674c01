"""The history as rooms without a Unit write it; desk/history/repository.py is what replaces it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import bindparam, insert, select

from desk.database.engine import Connection
from desk.database.notify import HISTORY_WRITTEN
from desk.history.model import Details
from desk.schema.tables import callbacks, history

CALLER = "caller"
SYSTEM = "system"


@dataclass(frozen=True)
class Entry:
    """A row to be added. `details` hold codes and counts, no personal data. No callback: of the whole department."""

    callback_id: str | None
    department: str
    at: datetime
    event: str
    actor: str
    from_status: str | None = None
    to_status: str | None = None
    details: Details = field(default_factory=dict)


_OF = bindparam("of", type_=callbacks.c.id.type)
_VERSION = select(callbacks.c.version).where(callbacks.c.id == _OF).scalar_subquery()


async def append(connection: Connection, entries: Sequence[Entry]) -> None:
    """Add the rows in this order."""
    if entries:
        connection.info[HISTORY_WRITTEN] = True
        await connection.execute(
            insert(history).values(version=_VERSION),
            [
                {
                    "of": entry.callback_id,
                    "callback_id": entry.callback_id,
                    "department": entry.department,
                    "at": entry.at,
                    "event": entry.event,
                    "actor": entry.actor,
                    "from_status": entry.from_status,
                    "to_status": entry.to_status,
                    "details": dict(entry.details),
                }
                for entry in entries
            ],
        )
