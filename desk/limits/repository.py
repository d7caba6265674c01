"""How often logging in has failed, by lane. Keys are HMACs: neither names nor addresses are told by them.

How many identity numbers somebody was shown is counted here too, under keys of its own
(desk/callbacks/identity_reveal.py).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import case, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from desk.database.engine import Conflict, Connection
from desk.limits.backoff import Count
from desk.schema.tables import login_tries

t = login_tries.c


async def counts(connection: Connection, keys: Sequence[str]) -> dict[str, Count]:
    """Those there are."""
    return await _found(connection, keys, lock=False)


async def locked(connection: Connection, keys: Sequence[str], now: datetime) -> dict[str, Count]:
    """All of them, held until the end of the unit of work; new ones have no failures.

    Raises `Conflict` when one was forgiven between the two statements: it was there, and is gone.
    """
    made = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    values = [{"key": key, "failures": 0, "next_at": now, "last_at": now} for key in sorted(set(keys))]
    await connection.execute(made(login_tries).values(values).on_conflict_do_nothing())
    found = await _found(connection, keys, lock=True)
    if len(found) < len(set(keys)):
        raise Conflict
    return found


async def put(connection: Connection, anew: Mapping[str, Count]) -> None:
    """The counts of locked lanes."""
    for key, count in anew.items():
        values = {"failures": count.failures, "next_at": count.next_at, "last_at": count.last_at}
        await connection.execute(update(login_tries).where(t.key == key).values(values))


async def forgive(connection: Connection, keys: Sequence[str], address: str) -> None:
    """It was the right password: these lanes begin anew, and the address has failed once less."""
    await connection.execute(delete(login_tries).where(t.key.in_(keys)))
    less = case((t.failures > 0, t.failures - 1), else_=0)
    await connection.execute(update(login_tries).where(t.key == address).values(failures=less))


async def clear(connection: Connection, before: datetime) -> None:
    """Take away lanes in which nothing has failed since."""
    await connection.execute(delete(login_tries).where(t.last_at <= before))


async def _found(connection: Connection, keys: Sequence[str], *, lock: bool) -> dict[str, Count]:
    query = select(login_tries).where(t.key.in_(keys)).order_by(t.key)
    if lock:
        query = query.with_for_update()
    rows = await connection.execute(query)
    return {row.key: Count(row.failures, row.next_at, row.last_at) for row in rows}
