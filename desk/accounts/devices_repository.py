"""Browsers that agents have logged in from, by the SHA-256 of their device cookie. Agents may share a browser."""

from datetime import datetime

from sqlalchemy import delete, insert, select, update

from desk.database.unit_of_work import Unit
from desk.schema.tables import devices

d = devices.c


async def is_known(unit: Unit, agent_id: int, hash: bytes, since: datetime) -> bool:
    """Whether the agent has logged in from it since then."""
    query = select(d.id).where(d.agent_id == agent_id, d.hash == hash, d.seen_at > since)
    return (await unit.connection.execute(query)).first() is not None


async def remember(unit: Unit, agent_id: int, hash: bytes) -> None:
    """Record a log-in of the agent from it. Raises `Conflict` when another log-in adds it at the same moment."""
    seen = update(devices).where(d.agent_id == agent_id, d.hash == hash).values(seen_at=unit.now)
    if not (await unit.connection.execute(seen)).rowcount:
        values = {"agent_id": agent_id, "hash": hash, "created_at": unit.now, "seen_at": unit.now}
        await unit.connection.execute(insert(devices).values(values))


async def clear(unit: Unit, agent_id: int, *, before: datetime, keep: int) -> None:
    """Delete the agent's devices not seen since `before`, and the oldest beyond `keep`."""
    newest = select(d.id).where(d.agent_id == agent_id).order_by(d.seen_at.desc(), d.id.desc()).limit(keep)
    of_agent = delete(devices).where(d.agent_id == agent_id)
    await unit.connection.execute(of_agent.where(d.seen_at <= before))
    await unit.connection.execute(of_agent.where(d.id.not_in(newest.scalar_subquery())))


async def forget(unit: Unit, agent_id: int) -> None:
    """Delete all devices of the agent."""
    await unit.connection.execute(delete(devices).where(d.agent_id == agent_id))
