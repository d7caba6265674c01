"""The counts behind the limits, in the database.

Failed log-ins are counted by lane, under HMACs that reveal neither names nor addresses. Identity numbers shown are
counted by agent, and so are transfers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, case, delete, select, update

from desk.database.engine import Conflict
from desk.database.inserting import insert_into
from desk.database.unit_of_work import Unit
from desk.limits.backoff import LaneCount
from desk.schema.tables import login_tries, request_buckets, shares

t = login_tries.c
s = shares.c
b = request_buckets.c


async def lane_counts(unit: Unit, keys: Sequence[str]) -> dict[str, LaneCount]:
    """Return the counts of the lanes that have one."""
    return await _lanes(unit, keys, lock=False)


async def locked_lanes(unit: Unit, keys: Sequence[str]) -> dict[str, LaneCount]:
    """Lock all of the lanes until this unit of work ends. New ones have no failures.

    Raises Conflict if one was deleted between the two statements.
    """
    values = [{"key": key, "failures": 0, "next_at": unit.now, "last_at": unit.now} for key in sorted(set(keys))]
    await _add_missing(unit, login_tries, values)
    found = await _lanes(unit, keys, lock=True)
    if len(found) < len(set(keys)):
        raise Conflict
    return found


async def set_lanes(unit: Unit, counts: Mapping[str, LaneCount]) -> None:
    """Store the counts of locked lanes."""
    for key, count in counts.items():
        values = {"failures": count.failures, "next_at": count.next_at, "last_at": count.last_at}
        await unit.connection.execute(update(login_tries).where(t.key == key).values(values))


async def forgive(unit: Unit, keys: Sequence[str], address: str | None) -> None:
    """Delete the counts of these lanes, and count one failure less in the lane of the address."""
    await unit.connection.execute(delete(login_tries).where(t.key.in_(keys)))
    less = case((t.failures > 0, t.failures - 1), else_=0)
    await unit.connection.execute(update(login_tries).where(t.key == address).values(failures=less))


async def delete_old(unit: Unit, *, before: datetime) -> None:
    """Delete lanes without a try since then."""
    await unit.connection.execute(delete(login_tries).where(t.last_at <= before))


@dataclass(frozen=True)
class Share:
    """A bucket of something limited, and when a department was notified that it was empty."""

    full_at: datetime
    notified_at: datetime | None


async def locked_share(unit: Unit, what: str, who: str) -> Share:
    """Lock the bucket of an agent or phone until this unit of work ends. A new one is full."""
    await _add_missing(unit, shares, [{"who": who, "what": what, "full_at": unit.now}])
    query = select(s.full_at, s.notified_at).where(s.who == who, s.what == what).with_for_update()
    row = (await unit.connection.execute(query)).one_or_none()
    if row is None:  # deleted between the two statements
        raise Conflict
    return Share(*row)


async def set_share(unit: Unit, what: str, who: str, **values: datetime) -> None:
    """Store `full_at` or `notified_at` of a locked bucket."""
    await unit.connection.execute(update(shares).where(s.who == who, s.what == what).values(**values))


async def delete_full_shares(unit: Unit, whats: Sequence[str]) -> None:
    """Delete the buckets of these kinds that are full again: they say nothing more."""
    full = (s.what.in_(whats), s.full_at < unit.now)
    await unit.connection.execute(delete(shares).where(*full))


async def locked_buckets(unit: Unit, keys: Sequence[str]) -> dict[str, datetime]:
    """Lock the buckets of requests until this unit of work ends, and return when each is full. New ones are full.

    Raises Conflict if one was deleted between the two statements.
    """
    await _add_missing(unit, request_buckets, [{"key": key, "full_at": unit.now} for key in sorted(keys)])
    query = select(request_buckets).where(b.key.in_(keys)).order_by(b.key).with_for_update()
    found = {row.key: row.full_at for row in await unit.connection.execute(query)}
    if len(found) < len(keys):
        raise Conflict
    return found


async def set_buckets(unit: Unit, full_at: Mapping[str, datetime]) -> None:
    """Store when each locked bucket is full again."""
    for key, moment in full_at.items():
        await unit.connection.execute(update(request_buckets).where(b.key == key).values(full_at=moment))


async def delete_full_buckets(unit: Unit) -> None:
    """Delete the buckets that are full: an unknown one is."""
    await unit.connection.execute(delete(request_buckets).where(b.full_at < unit.now))


async def _add_missing(unit: Unit, table: Table, values: Sequence[Mapping[str, Any]]) -> None:
    await unit.connection.execute(insert_into(unit.connection, table).values(list(values)).on_conflict_do_nothing())


async def _lanes(unit: Unit, keys: Sequence[str], *, lock: bool) -> dict[str, LaneCount]:
    query = select(login_tries).where(t.key.in_(keys)).order_by(t.key)
    if lock:
        query = query.with_for_update()
    rows = await unit.connection.execute(query)
    return {row.key: LaneCount(row.failures, row.next_at, row.last_at) for row in rows}
