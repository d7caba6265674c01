"""Nightly deletion: a patient's personal data are deleted some days after the callback is closed.

One process does it each night. Every process checks whether the night is done, and one takes it. It works in small
units of work, so that others are not held up. Each unit checks the fence with which the night was taken, and records
that its runner lives. If a runner falls silent, another process takes the night and continues where it stopped.
"""

import asyncio
import os
import secrets
import socket
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import structlog

from desk.access.actor import SYSTEM
from desk.clock import OSLO, Clock
from desk.clock_check.clock_check import ClockCheck
from desk.clock_check.errors import ClockDoubted
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, reading, unit_of_work
from desk.idempotency.answers import KEPT_FOR as ANSWERS_KEPT_FOR
from desk.privacy import personal_columns as personal
from desk.privacy import retention_repository as rows
from desk.privacy.retention_repository import RetentionRun

ROWS_A_STEP = 500
REST_SECONDS = 0.02
SILENT = timedelta(minutes=5)
"""A runner that has done nothing for this long is taken for dead."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class RetentionRules:
    """How long data are kept: `days` after closing, `incomplete` for calls without a callback. Deletion starts `at`."""

    days: int = 30
    incomplete: timedelta = timedelta(hours=24)
    at: time = time(3, 30)

    def night(self, now: datetime) -> date:
        """Return the newest night that has started: the day on which `at` (local time in Oslo) was last passed."""
        local = now.astimezone(OSLO)
        return local.date() if local.time() >= self.at else local.date() - timedelta(days=1)


class Retention(Service):
    """The nightly deletion as one process does it, or leaves it to another."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        check: ClockCheck,
        rules: RetentionRules,
        rows_a_step: int = ROWS_A_STEP,
        rest: float = REST_SECONDS,
    ) -> None:
        super().__init__(database=database, clock=clock)
        self._check = check
        self._rules = rules
        self._doubted: date | None = None
        self._rows_a_step = rows_a_step
        self._rest = rest
        self._runner = f"{socket.gethostname()[:64]}:{os.getpid()}:{secrets.token_hex(4)}"

    async def run_if_due(self) -> RetentionRun | None:
        """Do this night's deletion.

        Returns None if it is done already, another process does it, or the clock may be wrong.
        """
        night = self._rules.night(self._clock.now())
        if await self._is_done(SYSTEM, night):
            return None
        try:
            await self._check.require()
        except ClockDoubted as doubted:
            if self._doubted != night:
                log.error("Nothing deleted, because the clock may be wrong", reason=doubted.detail)
            self._doubted = night
            return None
        return await self._run(night)

    async def run_now(self, *, gap_is_right: bool = False) -> RetentionRun | None:
        """Do it even if this night's is done. Returns None while another process does it. Raises ClockDoubted.

        `gap_is_right`: an operator says that the clock is right, however long ago the last run was.
        """
        await self._check.require(gap_is_right=gap_is_right)
        night = self._rules.night(self._clock.now())
        await self._reopen(SYSTEM, night)
        return await self._run(night)

    async def _run(self, night: date) -> RetentionRun | None:
        run = await self._take(SYSTEM, night)
        if run is None:
            return None
        while run.finished_at is None:
            step = await self._step(SYSTEM, run)
            if step is None:
                log.warning("Another process has taken over this night's deletion, or the clock has jumped")
                return None
            run = step
            await asyncio.sleep(self._rest)
        log.info("Personal data deleted", night=str(run.night), **run.deleted)
        return run

    @reading
    async def nights(self, unit: Unit, limit: int = 14) -> tuple[list[RetentionRun], int]:
        """Return the newest runs, newest first, and the number of callbacks under legal hold."""
        return await rows.latest(unit, limit), await personal.count_held(unit)

    @reading
    async def _is_done(self, unit: Unit, night: date) -> bool:
        known = await rows.find(unit, night)
        return known is not None and known.finished_at is not None

    @unit_of_work
    async def _take(self, unit: Unit, night: date) -> RetentionRun | None:
        known = await rows.locked(unit, night)
        if known is None:
            return await rows.start(unit, night, self._runner)
        if known.finished_at or (known.runner != self._runner and known.seen_at > unit.now - SILENT):
            return None
        return await rows.change(unit, known, runner=self._runner, fence=known.fence + 1, seen_at=unit.now)

    @unit_of_work
    async def _reopen(self, unit: Unit, night: date) -> None:
        known = await rows.locked(unit, night)
        if known and known.finished_at:
            await rows.change(unit, known, finished_at=None, seen_at=known.seen_at - SILENT)

    @unit_of_work
    async def _step(self, unit: Unit, run: RetentionRun) -> RetentionRun | None:
        """Delete a few rows of each kind. The run is finished when there were none.

        None if another process has it, or the clock has jumped since the last step.
        """
        known = await rows.locked(unit, run.night)
        if known is None or known.fence != run.fence or abs(unit.now - known.seen_at) > SILENT:
            return None
        limit = self._rows_a_step
        ids = await personal.due(unit, unit.now - timedelta(days=self._rules.days), limit)
        if ids:
            await personal.forget(unit, ids)
        done = {
            "callbacks": len(ids),
            "incomplete_calls": await personal.forget_incomplete_calls(unit, unit.now - self._rules.incomplete, limit),
            "answers": await personal.delete_answers_before(unit, unit.now - ANSWERS_KEPT_FOR, limit),
        }
        deleted = {kind: known.deleted.get(kind, 0) + count for kind, count in done.items()}
        finished = None if any(done.values()) else unit.now
        return await rows.change(unit, known, seen_at=unit.now, deleted=deleted, finished_at=finished)
