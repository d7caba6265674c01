"""The size of the queue, by department and status, for Prometheus."""

from datetime import datetime, timedelta

from desk.access.actor import SYSTEM
from desk.callbacks.lists import CallbackLists
from desk.clock import Clock
from desk.departments.departments import Departments
from desk.inquiries.model import Status

OPEN = (Status.WAITING, Status.CLAIMED, Status.UNREACHABLE)
FRESH_FOR = timedelta(seconds=10)


class QueueGauge:
    """Counts open callbacks on request, at most every ten seconds."""

    def __init__(self, *, callbacks: CallbackLists, clock: Clock) -> None:
        self._callbacks = callbacks
        self._clock = clock
        self._counts: dict[tuple[str, str], int] = {}
        self._counted_at: datetime | None = None

    async def counts(self, departments: Departments) -> dict[tuple[str, str], int]:
        """Count open callbacks by (department slug, status), zeroes included. Raises StorageUnavailable."""
        now = self._clock.now()
        if self._counted_at is None or now - self._counted_at >= FRESH_FOR:
            self._counts = await self._count(departments)
            self._counted_at = now
        return self._counts

    async def _count(self, departments: Departments) -> dict[tuple[str, str], int]:
        counts = {(slug, status.value): 0 for slug in departments for status in OPEN}
        found = await self._callbacks.counts(SYSTEM)
        return counts | {(slug, status.value): count for (slug, status), count in found.items() if slug in departments}
