"""Browsers agents have logged in from, by the SHA-256 of what each holds. A shared one is known to several agents."""

from datetime import datetime

from sqlalchemy import delete, insert, select, update

from desk.database.engine import Connection
from desk.schema.tables import devices

d = devices.c


async def known(connection: Connection, agent_id: int, hash: bytes, since: datetime) -> bool:
    """Whether that agent has logged in from it since then."""
    query = select(d.id).where(d.agent_id == agent_id, d.hash == hash, d.seen_at > since)
    return (await connection.execute(query)).first() is not None


async def remember(connection: Connection, agent_id: int, hash: bytes, now: datetime) -> None:
    """The agent has logged in from it. Raises `Conflict` when it does so twice at the same moment."""
    seen = update(devices).where(d.agent_id == agent_id, d.hash == hash).values(seen_at=now)
    if not (await connection.execute(seen)).rowcount:
        values = {"agent_id": agent_id, "hash": hash, "created_at": now, "seen_at": now}
        await connection.execute(insert(devices).values(values))


async def clear(connection: Connection, agent_id: int, *, before: datetime, keep: int) -> None:
    """Take away those of the agent not seen since then, and the oldest beyond `keep`."""
    newest = select(d.id).where(d.agent_id == agent_id).order_by(d.seen_at.desc(), d.id.desc()).limit(keep)
    mine = delete(devices).where(d.agent_id == agent_id)
    await connection.execute(mine.where(d.seen_at <= before))
    await connection.execute(mine.where(d.id.not_in(newest.scalar_subquery())))


async def forget(connection: Connection, agent_id: int) -> None:
    """All of that agent's."""
    await connection.execute(delete(devices).where(d.agent_id == agent_id))
