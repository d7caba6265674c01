"""Nothing stays longer than it must: what tells who somebody was is deleted some days after the callback is closed.

Once a night, by one process however many there are: each looks whether the night is done, one takes it, and works in
small units of work that others' fit between. Each unit shows the fence it took the night with and says that its runner
lives; a runner that falls silent loses the night to another, who goes on where it stopped.
"""

import asyncio
import os
import secrets
import socket
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import structlog

from desk.clock import OSLO, Clock
from desk.database.engine import Connection, Database
from desk.database.unit_of_work import UnitsOfWork
from desk.idempotency.answers import KEPT_FOR as ANSWERS_KEPT_FOR
from desk.privacy import personal_columns as personal
from desk.privacy import retention_repository as rows
from desk.privacy.retention_repository import Run

ROWS_A_STEP = 500
REST_SECONDS = 0.02
SILENT = timedelta(minutes=5)
"""A runner that has said nothing for so long is taken for dead."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Rules:
    """How long is kept what: after closing, and of calls that came to nothing; and when at night it is looked at."""

    days: int = 30
    incomplete: timedelta = timedelta(hours=24)
    at: time = time(3, 30)

    def night(self, now: datetime) -> date:
        """The newest night that has begun: the day on which `at` (wall time in Oslo) was last passed."""
        local = now.astimezone(OSLO)
        return local.date() if local.time() >= self.at else local.date() - timedelta(days=1)


class Retention(UnitsOfWork):
    """The nightly deleting, as one process does it or leaves it to another."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        rules: Rules,
        rows_a_step: int = ROWS_A_STEP,
        rest: float = REST_SECONDS,
    ) -> None:
        super().__init__(database)
        self._clock = clock
        self._rules = rules
        self._rows_a_step = rows_a_step
        self._rest = rest
        self._runner = f"{socket.gethostname()[:64]}:{os.getpid()}:{secrets.token_hex(4)}"

    async def run_if_due(self) -> Run | None:
        """Do this night's deleting if nobody has done it or does it now; None when there is nothing to do."""
        run = await self._take(self._rules.night(self._clock.now()))
        if run is None:
            return None
        while run.finished_at is None:
            step = await self._step(run)
            if step is None:
                log.warning("another process has taken this night's deleting over")
                return None
            run = step
            await asyncio.sleep(self._rest)
        log.info("personal data deleted", night=str(run.night), **run.deleted)
        return run

    async def run_now(self) -> Run | None:
        """The same, also when this night's was done already; None while another process is at it."""
        night = self._rules.night(self._clock.now())

        async def again(connection: Connection) -> None:
            known = await rows.locked(connection, night)
            if known and known.finished_at:
                await rows.change(connection, known, finished_at=None, seen_at=known.seen_at - SILENT)

        await self._write(again)
        return await self.run_if_due()

    async def nights(self, limit: int = 14) -> tuple[list[Run], int]:
        """The newest nights, newest first, and how many callbacks are under legal hold."""

        async def work(connection: Connection) -> tuple[list[Run], int]:
            return await rows.latest(connection, limit), await personal.held(connection)

        return await self._read(work)

    async def _take(self, night: date) -> Run | None:
        async def look(connection: Connection) -> bool:
            newest = await rows.latest(connection, 1)
            return not (newest and newest[0].night >= night and newest[0].finished_at)

        async def work(connection: Connection) -> Run | None:
            now = self._clock.now()
            known = await rows.locked(connection, night)
            if known is None:
                return await rows.begin(connection, night, self._runner, now)
            if known.finished_at or (known.runner != self._runner and known.seen_at > now - SILENT):
                return None
            return await rows.change(connection, known, runner=self._runner, fence=known.fence + 1, seen_at=now)

        return await self._write(work) if await self._read(look) else None

    async def _step(self, run: Run) -> Run | None:
        """Delete a little of each kind; finished when there was nothing. None when the night is another's now."""

        async def work(connection: Connection) -> Run | None:
            known = await rows.locked(connection, run.night)
            if known is None or known.fence != run.fence:
                return None
            now = self._clock.now()
            ids = await personal.due(connection, now - timedelta(days=self._rules.days), self._rows_a_step)
            if ids:
                await personal.forget(connection, ids, now)
            done = {
                "callbacks": len(ids),
                "incomplete_calls": await personal.forget_incomplete_calls(
                    connection, now - self._rules.incomplete, now, self._rows_a_step
                ),
                "answers": await personal.delete_answers(connection, now - ANSWERS_KEPT_FOR, self._rows_a_step),
            }
            deleted = {kind: known.deleted.get(kind, 0) + count for kind, count in done.items()}
            finished = None if any(done.values()) else now
            return await rows.change(connection, known, seen_at=now, deleted=deleted, finished_at=finished)

        return await self._write(work)
