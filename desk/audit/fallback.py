"""Rows of the audit that the database does not take now wait on this machine's disk, sealed, so that reads go on.

It is the spool's form (desk/spool/spool.py) in a folder of its own. What can't be written there either is not shown.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from desk.audit.entry import AuditEntry, AuditOutcome
from desk.database.errors import StorageUnavailable
from desk.spool.errors import SpoolUnavailable
from desk.spool.spool import Spool

log = structlog.get_logger(__name__)

KIND: Final = "audit"
AFTER: Final = 2.0
"""Seconds that the database may take for a row, with all queues, before the row goes to disk."""
MOST_WAITING: Final = 20_000
"""Rows that may wait. Beyond it nothing is shown, so that no one who keeps the database from being written reads on."""
LONGEST_WAIT: Final = 24 * 3600.0
"""Seconds that the oldest row may wait before nothing more is shown."""
TRIED_FIRST: Final = 5.0
"""Seconds after a failure of the database in which it is not asked: each reader would wait for it again."""
COUNTED_EVERY: Final = 5.0


class AuditFallback:
    """The audit's spool, with a bound."""

    def __init__(
        self,
        spool: Spool,
        *,
        after: float = AFTER,
        most: int = MOST_WAITING,
        longest: float = LONGEST_WAIT,
        tried_first: float = TRIED_FIRST,
        time: Callable[[], float] | None = None,
    ) -> None:
        """`after`: seconds that the database may take. `tried_first`: seconds after that in which it is not asked."""
        self.spool = spool
        self.after = after
        self._most = most
        self._longest = longest
        self._tried_first = tried_first
        self._time = time or _loop_time
        self._until = float("-inf")
        self._waiting = 0
        self._oldest: float | None = None
        self._counted_at = float("-inf")

    @property
    def is_tried_first(self) -> bool:
        """Whether the database has just failed."""
        return self._time() < self._until

    def takes(self, entry: AuditEntry) -> bool:
        """Whether an entry may wait: of someone signed in, whose request did not fail. Nothing else shows anything."""
        return entry.who is not None and entry.outcome is not AuditOutcome.FAILED

    async def add(self, entry: AuditEntry, at: datetime) -> None:
        """Write an entry to disk. Raises StorageUnavailable where too many wait, or too long, or the disk is full."""
        if not self.is_tried_first:
            log.warning("The audit goes to this machine's disk: the database does not take it")
        self._until = self._time() + self._tried_first
        if not await self._has_room():
            log.error("Reads are refused: too many rows of the audit wait, or too long")
            raise StorageUnavailable
        try:
            for n, part in enumerate(entry.in_parts()):  # each of its own moment, by which a second copy is known
                await self.spool.add(KIND, at + timedelta(microseconds=n), part.as_data())
                self._waiting += 1
        except SpoolUnavailable:
            raise StorageUnavailable from None

    def database_took_one(self) -> None:
        """Ask the database first again."""
        self._until, self._counted_at = float("-inf"), float("-inf")

    async def is_full(self) -> bool:
        """Whether nothing more may wait, so that reads are refused."""
        self._counted_at = float("-inf")
        return not await self._has_room()

    async def _has_room(self) -> bool:
        if self._time() - self._counted_at >= COUNTED_EVERY:
            try:
                waiting, self._oldest = await self.spool.waiting()
            except SpoolUnavailable:
                return False
            self._waiting, self._counted_at = waiting, self._time()
        return self._waiting < self._most and (self._oldest or 0.0) < self._longest


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
