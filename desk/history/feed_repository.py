"""History rows in the order they are sent, and what wakes the readers that wait for them.

On PostgreSQL a row gets its id when it is written and becomes visible when its unit of work commits: 7 may be visible
before 6. A reader that goes on from «the last id I saw» would then never get 6. So a trigger (see the migration) makes
every unit of work hold one shared advisory lock from before its first history id is drawn until after its commit is
visible. A missing id is then either held by a unit of work that holds the lock now, or will never come (it was rolled
back). On SQLite there is one writer at a time, so ids become visible in their order.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from sqlalchemy import ARRAY, BigInteger, Text, bindparam, func, select, text

from desk.database.engine import Database
from desk.database.errors import StorageUnavailable
from desk.database.faults import FAILURES
from desk.database.unit_of_work import Unit
from desk.history.model import Change
from desk.schema.scope import in_scope
from desk.schema.tables import history

LOCK = 0x1AA1_21D7
"""The advisory lock that writers of history share. The migration that makes the trigger has the same number."""

_POSITION = text(
    "select coalesce(max(id), 0) as newest, array(select virtualtransaction from pg_locks where locktype = 'advisory' "
    "and classid = 0 and objid = :lock and objsubid = 1 and granted "
    "and database = (select oid from pg_database where datname = current_database())) as unfinished from history"
)
NEWEST: Final = select(func.coalesce(func.max(history.c.id), 0)).scalar_subquery()
"""The highest visible id; 0 if there is none. Also a column of statements that every request runs anyway."""
_HAS_MORE = text("select exists (select 1 from history where department = any(:departments) and id > :id)").bindparams(
    bindparam("id", type_=BigInteger), bindparam("departments", type_=ARRAY(Text))
)


async def newest(unit: Unit) -> int:
    """The highest visible id; 0 if there is none."""
    return int((await unit.connection.execute(select(NEWEST))).scalar_one())


async def after(unit: Unit, id: int, *, limit: int, upto: int | None = None) -> list[Change]:
    """Read rows of the actor's departments with a higher id, lowest first, up to and including `upto`."""
    query = select(history).where(history.c.id > id, *in_scope(unit, history.c.department))
    query = query.order_by(history.c.id).limit(limit)
    if upto is not None:
        query = query.where(history.c.id <= upto)
    changes = [_change(row) for row in await unit.connection.execute(query)]
    for change in changes:
        if change.callback_id:
            unit.saw(change.callback_id, change.department)
    return changes


async def unfinished(unit: Unit) -> frozenset[str]:
    """The units of work that have drawn a history id, or are about to, and whose commit may not be visible yet."""
    if unit.connection.dialect.name != "postgresql":
        return frozenset()
    return frozenset((await unit.connection.execute(_POSITION, {"lock": LOCK})).one().unfinished)


async def settled(unit: Unit) -> int | None:
    """The highest id, if no unit of work can still show a lower one; else None.

    The statement sees what was committed when it began, and the locks of a moment later. So a unit of work that is in
    neither has ended in between: what is read next shows what it did.
    """
    if unit.connection.dialect.name != "postgresql":
        return await newest(unit)
    row = (await unit.connection.execute(_POSITION, {"lock": LOCK})).one()
    return None if row.unfinished else int(row.newest)


async def has_more(unit: Unit, id: int) -> bool:
    """Whether the actor's departments have rows above `id`."""
    departments = unit.scope.departments
    if unit.connection.dialect.name == "postgresql" and departments is not None:
        values = {"id": id, "departments": sorted(departments)}
        return bool((await unit.connection.execute(_HAS_MORE, values)).scalar_one())
    query = select(history.c.id).where(history.c.id > id, *in_scope(unit, history.c.department)).limit(1)
    return (await unit.connection.execute(query)).first() is not None


@asynccontextmanager
async def listening(
    database: Database, channel: str, wake: Callable[[], None], lost: Callable[[], None]
) -> AsyncIterator[None]:
    """Call `wake` when another connection notifies `channel`, and `lost` when this connection is gone.

    PostgreSQL only. Raises StorageUnavailable.
    """
    async with database.listener() as raw:
        raw.add_termination_listener(lambda _connection: lost())
        try:
            await raw.add_listener(channel, lambda *_: wake())
        except FAILURES:
            raise StorageUnavailable from None
        yield


def _change(row: Any) -> Change:
    return Change(
        id=row.id,
        at=row.at,
        event=row.event,
        actor=row.actor,
        callback_id=row.inquiry_id,
        department=row.department,
        from_status=row.from_status,
        to_status=row.to_status,
        version=row.version,
    )
