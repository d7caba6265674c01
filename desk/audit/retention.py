"""How long the audit is kept: whole days, the oldest first; a row of the audit says what was deleted, and by whom.

That row holds the number and hash of the last one deleted: what is left is verified from there. The database lets only
rows it speaks of be deleted, and on PostgreSQL only by the tables' owner.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import structlog

from desk.audit import repository as rows
from desk.audit.audit import Audit, AuditEntry, AuditOutcome
from desk.audit.chain import Anchor
from desk.clock import OSLO, Clock
from desk.database.engine import Database
from desk.database.unit_of_work import UnitsOfWork

ROWS_A_STEP = 200
REST_SECONDS = 0.02

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Pruned:
    """What was deleted: how many rows, and the last one."""

    rows: int
    through: int


class AuditRetention(UnitsOfWork):
    """Deletes the audit's oldest days. May be stopped at any time, and run by several at once."""

    def __init__(
        self,
        *,
        database: Database,
        audit: Audit,
        clock: Clock,
        days: int,
        rows_a_step: int = ROWS_A_STEP,
        rest: float = REST_SECONDS,
    ) -> None:
        super().__init__(database)
        self._audit = audit
        self._clock = clock
        self._days = days
        self._rows_a_step = rows_a_step
        self._rest = rest

    async def run(self, *, who: str = "innringing", source: str = "service") -> Pruned | None:
        """Delete what is older than it is to be kept; None when nothing is, or this process may not."""
        through = await self._read(rows.pruned_through)
        last = await self._read(lambda connection: rows.last_before(connection, self._midnight()))
        due = Anchor(*last) if last is not None and last[0] > through else None
        if due is None and not await self._read(lambda connection: rows.any_up_to(connection, through)):
            return None
        if not await self._read(rows.may_remove):
            log.warning("old rows of the audit are deleted by the tables' owner only: innringing audit prune")
            return None
        if due is not None:
            await self._audit.record(
                AuditEntry(who=who, action="audit_pruned", outcome=AuditOutcome.DONE, source=source, through=due)
            )
            through = due.seq
        deleted = await self._delete(through)
        log.info("old rows of the audit deleted", rows=deleted, through=through)
        return Pruned(deleted, through)

    async def _delete(self, through: int) -> int:
        """In small steps, which others' fit between."""
        deleted = 0
        while gone := await self._write(lambda connection: rows.remove(connection, through, self._rows_a_step)):
            deleted += gone
            await asyncio.sleep(self._rest)
        await self._write(rows.forget_unnamed)
        return deleted

    def _midnight(self) -> datetime:
        """The beginning, in Oslo, of the first day that is kept."""
        day = self._clock.now().astimezone(OSLO).date() - timedelta(days=self._days)
        return datetime.combine(day, time(), OSLO)
