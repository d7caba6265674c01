"""Compares the machine's clock with the database's and with what was stored before."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from desk.access.actor import SYSTEM
from desk.clock import Clock
from desk.clock_check import repository as rows
from desk.clock_check import rules
from desk.clock_check.errors import ClockDoubted
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, reading

NOISE: Final = timedelta(seconds=1)
"""A smaller difference may be the time that the answer took."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ClockState:
    """What a check found. `skew`: ahead of the database's clock; None where there is none to compare with.

    `fault`: what is wrong now; `doubt`: why nothing is deleted.
    """

    skew: timedelta | None
    fault: str | None
    doubt: str | None


class SharedClock:
    """The machine's clock, set by the database's: leases of several machines are counted by one clock.

    Until the first check, and on SQLite, it is the machine's own.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = timedelta()

    def now(self) -> datetime:
        return self._clock.now() - self._ahead

    def set(self, ahead: timedelta | None) -> None:
        """Set how far the machine's clock is ahead."""
        self._ahead = ahead if ahead is not None and abs(ahead) > NOISE else timedelta()


class ClockCheck(Service):
    """The clock check of one process."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        shared: SharedClock | None = None,
        database_time: Callable[[Unit], Awaitable[datetime | None]] = rows.database_time,
    ) -> None:
        """`shared` follows each check."""
        super().__init__(database=database, clock=clock)
        self._shared = shared
        self._database_time = database_time
        self._reported: str | None = None
        self.skew: timedelta | None = None
        """As of the last check."""

    async def check(self) -> ClockState:
        """Compare, and log a new fault. Raises StorageUnavailable."""
        state = await self._state(SYSTEM)
        self.skew = state.skew
        if self._shared is not None:
            self._shared.set(state.skew)
        if (state.fault is None) != (self._reported is None):
            if state.fault:
                log.error("The machine's clock is wrong, or has been", fault=state.fault)
            else:
                log.info("The machine's clock is in order again")
        self._reported = state.fault
        return state

    async def require(self, *, gap_is_right: bool = False) -> None:
        """Raises ClockDoubted when nothing may be deleted by this clock, and StorageUnavailable.

        `gap_is_right`: an operator says that the service was really stopped for so long.
        """
        state = await self._state(SYSTEM, gap_is_right)
        if state.doubt:
            raise ClockDoubted(f"{state.doubt}. See docs/operations.md#the-clock.")

    @reading
    async def _state(self, unit: Unit, gap_is_right: bool = False) -> ClockState:
        database = await self._database_time(unit)
        now = self._clock.now()  # right after the database's, not when the unit of work began
        found = await rows.readings(unit, database)
        doubt = rules.doubt(now, found, gap_is_right=gap_is_right)
        return ClockState(rules.skew(now, found), rules.fault(now, found), doubt)
