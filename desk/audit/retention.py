"""How long the audit is stored. Whole days are deleted, the oldest first, and a row of the audit says so.

That row has the number and hash of the last deleted row, and verification starts from there. The database allows the
deletion only of rows that such a row covers, and on PostgreSQL only by the tables' owner.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import structlog

from desk.access.actor import SYSTEM
from desk.audit import repository as rows
from desk.audit.actions import AuditAction
from desk.audit.audit import Audit, AuditEntry, AuditOutcome
from desk.audit.chain import Anchor
from desk.clock import OSLO, Clock
from desk.clock_check.clock_check import ClockCheck
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, reading, unit_of_work

ROWS_A_STEP = 200
REST_SECONDS = 0.02

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class PruneResult:
    """How many rows were deleted, and the number of the last one."""

    rows: int
    through: int


@dataclass(frozen=True)
class _Due:
    """The last row to delete. `recorded`: a row of the audit says so already."""

    through: Anchor
    recorded: bool


class AuditRetention(Service):
    """Deletes the audit's oldest days. It may be stopped at any time, and several processes may run it at once."""

    def __init__(
        self,
        *,
        database: Database,
        audit: Audit,
        check: ClockCheck,
        clock: Clock,
        days: int,
        rows_a_step: int = ROWS_A_STEP,
        rest: float = REST_SECONDS,
    ) -> None:
        super().__init__(database=database, clock=clock)
        self._audit = audit
        self._check = check
        self._days = days
        self._rows_a_step = rows_a_step
        self._rest = rest

    async def run(self, *, who: str = "innringing", source: str = "service") -> PruneResult | None:
        """Delete the rows that have expired. None if there are none, or this process may not delete.

        Raises ClockDoubted when there are some and the clock may be wrong.
        """
        due = await self._due(SYSTEM)
        if due is None:
            return None
        await self._check.require()
        if not await self._may_remove(SYSTEM):
            log.warning("old rows of the audit are deleted by the tables' owner only: innringing audit prune")
            return None
        if not due.recorded:
            await self._audit.record(
                AuditEntry(
                    who=who,
                    action=AuditAction.AUDIT_PRUNED,
                    outcome=AuditOutcome.DONE,
                    source=source,
                    through=due.through,
                )
            )
        deleted = await self._delete(due.through.seq)
        log.info("old rows of the audit deleted", rows=deleted, through=due.through.seq)
        return PruneResult(deleted, due.through.seq)

    async def _delete(self, through: int) -> int:
        """Delete in small steps, with room between them for other writers."""
        deleted = 0
        while gone := await self._remove(SYSTEM, through):
            deleted += gone
            await asyncio.sleep(self._rest)
        await self._delete_unused_numbers(SYSTEM)
        return deleted

    @reading
    async def _due(self, unit: Unit) -> _Due | None:
        """Find the last expired row. It may be recorded already: then an earlier run did not finish."""
        through = await rows.pruned_through(unit)
        last = await rows.last_before(unit, self._midnight(unit.now))
        if last is not None and last[0] > through:
            return _Due(Anchor(*last), recorded=False)
        return _Due(Anchor(through, b""), recorded=True) if await rows.any_up_to(unit, through) else None

    @reading
    async def _may_remove(self, unit: Unit) -> bool:
        return await rows.may_remove(unit)

    @unit_of_work
    async def _remove(self, unit: Unit, through: int) -> int:
        return await rows.remove(unit, through, self._rows_a_step)

    @unit_of_work
    async def _delete_unused_numbers(self, unit: Unit) -> None:
        await rows.delete_unused_numbers(unit)

    def _midnight(self, now: datetime) -> datetime:
        """The beginning, in Oslo, of the first day that is not deleted."""
        day = now.astimezone(OSLO).date() - timedelta(days=self._days)
        return datetime.combine(day, time(), OSLO)
