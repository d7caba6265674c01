"""Nights of deleting in the database: one row a night, whose runner shows a fence, as agents do for claims."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import insert, select, update

from desk.database.engine import Connection
from desk.schema.tables import retention_runs

c = retention_runs.c


@dataclass(frozen=True)
class Run:
    """One night's deleting. `deleted`: how many, by kind; `seen_at`: when its runner last did something."""

    night: date
    runner: str
    fence: int
    started_at: datetime
    seen_at: datetime
    finished_at: datetime | None
    deleted: Mapping[str, int]


async def locked(connection: Connection, night: date) -> Run | None:
    """That night, kept from others until this unit of work ends; None when nobody has begun it."""
    row = (await connection.execute(select(retention_runs).where(c.night == night).with_for_update())).one_or_none()
    return _read(row) if row else None


async def begin(connection: Connection, night: date, runner: str, now: datetime) -> Run:
    """A night nobody has begun. `Conflict` when another process has just done so."""
    values = {"night": night, "runner": runner, "fence": 1, "started_at": now, "seen_at": now, "deleted": {}}
    return _read((await connection.execute(insert(retention_runs).values(**values).returning(*c))).one())


async def change(connection: Connection, run: Run, **values: Any) -> Run:
    """Change a locked night."""
    statement = update(retention_runs).where(c.night == run.night).values(**values).returning(*c)
    return _read((await connection.execute(statement)).one())


async def latest(connection: Connection, limit: int) -> list[Run]:
    """The newest nights, newest first."""
    found = await connection.execute(select(retention_runs).order_by(c.night.desc()).limit(limit))
    return [_read(row) for row in found]


def _read(row: Any) -> Run:
    return Run(row.night, row.runner, row.fence, row.started_at, row.seen_at, row.finished_at, row.deleted)
