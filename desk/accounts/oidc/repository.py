"""People who logged in at a provider, and what is taken only once, in the database."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, or_, select, update

from desk.database.engine import Connection
from desk.schema.scope import one_of
from desk.schema.tables import external_identities, used_nonces

REFRESH_TOKEN = "external_identities.refresh_token"
"""What a sealed refresh token is bound to, with its row."""
SWEPT_AT_ONCE = 50

c = external_identities.c


@dataclass(frozen=True)
class Row:
    """One person as stored."""

    id: str
    refresh_token: bytes | None
    check_by: datetime
    retry_at: datetime | None


async def put(connection: Connection, id: str, refresh_token: bytes | None, check_by: datetime) -> None:
    """What the newest look at the provider gave, in place of the one before."""
    values = {"refresh_token": refresh_token, "check_by": check_by, "asked_until": None, "retry_at": None}
    changed = await connection.execute(update(external_identities).where(c.id == id).values(**values))
    if not changed.rowcount:
        await connection.execute(insert(external_identities).values(id=id, **values))


async def find(connection: Connection, id: str) -> Row | None:
    """The person, if known."""
    row = (await connection.execute(select(c.id, c.refresh_token, c.check_by, c.retry_at).where(c.id == id))).first()
    return Row(row.id, row.refresh_token, row.check_by, row.retry_at) if row else None


async def take(connection: Connection, id: str, now: datetime, until: datetime) -> bool:
    """Whether it is ours to ask the provider, until then: it is due, and nobody else does."""
    free = or_(c.asked_until.is_(None), c.asked_until <= now)
    mine = update(external_identities).where(c.id == id, c.check_by <= now, free).values(asked_until=until)
    return bool((await connection.execute(mine)).rowcount)


async def retry(connection: Connection, id: str, at: datetime) -> None:
    """The provider could not be asked: not again before then."""
    await connection.execute(update(external_identities).where(c.id == id).values(asked_until=None, retry_at=at))


async def remove(connection: Connection, id: str) -> None:
    """Forget the person."""
    await connection.execute(delete(external_identities).where(c.id == id))


async def due(connection: Connection, now: datetime) -> set[str]:
    """Whom the provider is to be asked about by now."""
    return set((await connection.execute(select(c.id).where(c.check_by <= now))).scalars())


async def remove_due(connection: Connection, ids: Collection[str], now: datetime) -> int:
    """Forget those of them who are due still. How many."""
    mine = one_of(connection, c.id, sorted(ids))
    return int((await connection.execute(delete(external_identities).where(mine, c.check_by <= now))).rowcount)


async def take_once(connection: Connection, hash: bytes, now: datetime, until: datetime) -> bool:
    """Whether nobody took it before; `Conflict` when another takes it now. Some that have run out are swept away."""
    old = select(used_nonces.c.hash).where(used_nonces.c.until <= now).limit(SWEPT_AT_ONCE)
    await connection.execute(delete(used_nonces).where(used_nonces.c.hash.in_(old)))
    taken = await connection.execute(
        select(used_nonces.c.hash).where(used_nonces.c.hash == hash, used_nonces.c.until > now)
    )
    if taken.first():
        return False
    # only one that has run out: another's, taken since the look above, stands in the way of ours
    await connection.execute(delete(used_nonces).where(used_nonces.c.hash == hash, used_nonces.c.until <= now))
    await connection.execute(insert(used_nonces).values(hash=hash, until=until))
    return True
