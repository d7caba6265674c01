"""People who log in at an identity provider, and used nonces, in the database."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, or_, select, update

from desk.database.unit_of_work import Unit
from desk.schema.scope import one_of
from desk.schema.tables import external_identities, used_nonces

REFRESH_TOKEN = "external_identities.refresh_token"
"""What a sealed refresh token is bound to, with its row."""
DELETED_AT_ONCE = 50

c = external_identities.c
n = used_nonces.c


@dataclass(frozen=True)
class IdentityRow:
    """One person as stored."""

    id: str
    refresh_token: bytes | None
    check_by: datetime
    retry_at: datetime | None


async def put(unit: Unit, id: str, refresh_token: bytes | None, check_by: datetime) -> None:
    """Store the provider's newest answer in place of the one before."""
    values = {"refresh_token": refresh_token, "check_by": check_by, "asked_until": None, "retry_at": None}
    changed = await unit.connection.execute(update(external_identities).where(c.id == id).values(**values))
    if not changed.rowcount:
        await unit.connection.execute(insert(external_identities).values(id=id, **values))


async def find(unit: Unit, id: str) -> IdentityRow | None:
    """The person, if known."""
    query = select(c.id, c.refresh_token, c.check_by, c.retry_at).where(c.id == id)
    row = (await unit.connection.execute(query)).first()
    return IdentityRow(row.id, row.refresh_token, row.check_by, row.retry_at) if row else None


async def reserve(unit: Unit, id: str, until: datetime) -> bool:
    """Reserve the next question to the provider until then; False if it isn't due or another process asks already."""
    free = or_(c.asked_until.is_(None), c.asked_until <= unit.now)
    reserved = update(external_identities).where(c.id == id, c.check_by <= unit.now, free).values(asked_until=until)
    return bool((await unit.connection.execute(reserved)).rowcount)


async def postpone(unit: Unit, id: str, until: datetime) -> None:
    """Ask the provider again after `until`, because it could not be reached."""
    values = {"asked_until": None, "retry_at": until}
    await unit.connection.execute(update(external_identities).where(c.id == id).values(values))


async def check_now(unit: Unit, id: str) -> None:
    """Make the person due."""
    values = {"check_by": unit.now, "retry_at": None}
    await unit.connection.execute(update(external_identities).where(c.id == id, c.check_by > unit.now).values(values))


async def remove(unit: Unit, id: str) -> None:
    """Delete the person."""
    await unit.connection.execute(delete(external_identities).where(c.id == id))


async def due(unit: Unit) -> set[str]:
    """The people the provider should be asked about by now."""
    return set((await unit.connection.execute(select(c.id).where(c.check_by <= unit.now))).scalars())


async def remove_due(unit: Unit, ids: Collection[str]) -> int:
    """Delete those of these people who are still due. Returns how many."""
    theirs = (one_of(unit, c.id, sorted(ids)), c.check_by <= unit.now)
    return int((await unit.connection.execute(delete(external_identities).where(*theirs))).rowcount)


async def use_nonce(unit: Unit, hash: bytes, until: datetime) -> bool:
    """Record a nonce as used until then; False if it has been used. Raises `Conflict` when another uses it now.

    Some expired nonces are deleted on the way.
    """
    expired = select(n.hash).where(n.until <= unit.now).limit(DELETED_AT_ONCE)
    await unit.connection.execute(delete(used_nonces).where(n.hash.in_(expired)))
    if (await unit.connection.execute(select(n.hash).where(n.hash == hash, n.until > unit.now))).first():
        return False
    # delete it only if it has expired: one that another unit of work has added since must make ours fail
    await unit.connection.execute(delete(used_nonces).where(n.hash == hash, n.until <= unit.now))
    await unit.connection.execute(insert(used_nonces).values(hash=hash, until=until))
    return True
