"""Second factors of accounts in the database, and recovery codes by their SHA-256."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, delete, exists, func, insert, or_, select, update

from desk.database.unit_of_work import Unit
from desk.schema.tables import agents, recovery_codes, second_factors

SECRET: Final = "second_factors.secret"
"""What a sealed secret is bound to, with its row."""

AHEAD_STEPS: Final = 10
"""A used step that is further ahead than this, five minutes, is from a clock that was ahead."""

c = second_factors.c
r = recovery_codes.c


@dataclass(frozen=True)
class SecondFactorRow:
    """One second factor as stored. `confirmed_at` is None while it is being set up."""

    id: str
    secret: bytes = field(repr=False)
    confirmed_at: datetime | None


def has_one() -> ColumnElement[bool]:
    """A column for queries that join agents: whether the agent has an active second factor."""
    return exists(select(c.id).where(c.agent_id == agents.c.id, c.confirmed_at.is_not(None)).correlate(agents)).label(
        "second_factor"
    )


async def find_active(unit: Unit, agent_id: int) -> SecondFactorRow | None:
    """The agent's active second factor."""
    return await _find(unit, c.agent_id == agent_id, c.confirmed_at.is_not(None))


async def find_started(unit: Unit, agent_id: int, since: datetime) -> SecondFactorRow | None:
    """The one the agent is setting up, if that was started after `since`."""
    return await _find(unit, c.agent_id == agent_id, c.confirmed_at.is_(None), c.created_at > since)


async def start(unit: Unit, agent_id: int, id: str, secret: bytes) -> None:
    """Start to set one up, in place of any other that isn't active yet."""
    await unit.connection.execute(delete(second_factors).where(c.agent_id == agent_id, c.confirmed_at.is_(None)))
    values = {"id": id, "agent_id": agent_id, "secret": secret, "created_at": unit.now}
    await unit.connection.execute(insert(second_factors).values(values))


async def activate(unit: Unit, agent_id: int, id: str, step: int) -> None:
    """Make this one the agent's only second factor."""
    await unit.connection.execute(delete(second_factors).where(c.agent_id == agent_id, c.id != id))
    values = {"confirmed_at": unit.now, "last_step": step}
    await unit.connection.execute(update(second_factors).where(c.id == id).values(values))


async def use_step(unit: Unit, id: str, step: int) -> bool:
    """Use up the code of that step; False if it, or a later one, has been used.

    A step far ahead was used while the clock was ahead. It does not count, so that no one is locked out.
    """
    newer = or_(c.last_step.is_(None), c.last_step < step, c.last_step > step + AHEAD_STEPS)
    return bool(
        (await unit.connection.execute(update(second_factors).where(c.id == id, newer).values(last_step=step))).rowcount
    )


async def use_recovery_code(unit: Unit, agent_id: int, hash: bytes) -> bool:
    """Use up a recovery code; False if the agent doesn't have it."""
    used = delete(recovery_codes).where(r.agent_id == agent_id, r.hash == hash)
    return bool((await unit.connection.execute(used)).rowcount)


async def has_recovery_code(unit: Unit, agent_id: int, hash: bytes) -> bool:
    """Whether it is one of the agent's recovery codes."""
    query = select(r.id).where(r.agent_id == agent_id, r.hash == hash)
    return (await unit.connection.execute(query)).first() is not None


async def replace_recovery_codes(unit: Unit, agent_id: int, hashes: Iterable[bytes]) -> None:
    """Give the agent these recovery codes and no others."""
    await unit.connection.execute(delete(recovery_codes).where(r.agent_id == agent_id))
    await unit.connection.execute(insert(recovery_codes), [{"agent_id": agent_id, "hash": hash} for hash in hashes])


async def recovery_codes_left(unit: Unit, agent_id: int) -> int:
    """How many recovery codes the agent has."""
    query = select(func.count()).select_from(recovery_codes).where(r.agent_id == agent_id)
    return int((await unit.connection.execute(query)).scalar_one())


async def remove(unit: Unit, agent_id: int) -> bool:
    """Delete the agent's second factor, one being set up, and the recovery codes. False if none was active."""
    active = await find_active(unit, agent_id)
    await unit.connection.execute(delete(second_factors).where(c.agent_id == agent_id))
    await unit.connection.execute(delete(recovery_codes).where(r.agent_id == agent_id))
    return active is not None


async def _find(unit: Unit, *conditions: ColumnElement[bool]) -> SecondFactorRow | None:
    row = (await unit.connection.execute(select(c.id, c.secret, c.confirmed_at).where(*conditions))).first()
    return SecondFactorRow(row.id, bytes(row.secret), row.confirmed_at) if row else None
