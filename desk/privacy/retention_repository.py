"""Nightly runs of deletion in the database: one row a night. Its runner shows a fence, as agents do for claims."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import insert, select, update

from desk.database.unit_of_work import Unit
from desk.schema.tables import retention_runs

c = retention_runs.c


@dataclass(frozen=True)
class RetentionRun:
    """One night's deletion. `deleted`: counts by kind. `seen_at`: when its runner last did something."""

    night: date
    runner: str
    fence: int
    started_at: datetime
    seen_at: datetime
    finished_at: datetime | None
    deleted: Mapping[str, int]


async def find(unit: Unit, night: date) -> RetentionRun | None:
    """Read that night's run. Returns None if it has not been started."""
    row = (await unit.connection.execute(select(retention_runs).where(c.night == night))).one_or_none()
    return _run(row) if row else None


async def locked(unit: Unit, night: date) -> RetentionRun | None:
    """Lock that night's run until this unit of work ends. Returns None if it has not been started."""
    query = select(retention_runs).where(c.night == night).with_for_update()
    row = (await unit.connection.execute(query)).one_or_none()
    return _run(row) if row else None


async def start(unit: Unit, night: date, runner: str) -> RetentionRun:
    """Add the run of a night. Raises Conflict if another process was first."""
    values = {"night": night, "runner": runner, "fence": 1, "deleted": {}}
    values |= {"started_at": unit.now, "seen_at": unit.now}
    return _run((await unit.connection.execute(insert(retention_runs).values(**values).returning(*c))).one())


async def change(unit: Unit, run: RetentionRun, **values: Any) -> RetentionRun:
    """Change a locked run."""
    statement = update(retention_runs).where(c.night == run.night).values(**values).returning(*c)
    return _run((await unit.connection.execute(statement)).one())


async def latest(unit: Unit, limit: int) -> list[RetentionRun]:
    """Return the newest runs, newest first."""
    found = await unit.connection.execute(select(retention_runs).order_by(c.night.desc()).limit(limit))
    return [_run(row) for row in found]


def _run(row: Any) -> RetentionRun:
    return RetentionRun(row.night, row.runner, row.fence, row.started_at, row.seen_at, row.finished_at, row.deleted)
