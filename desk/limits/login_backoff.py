"""Counting log-in tries in the database, so that the delays hold across processes and restarts."""

import hashlib
from collections.abc import Sequence
from typing import Final

from desk.access.actor import SYSTEM
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, reading, unit_of_work
from desk.limits import repository as rows
from desk.limits.backoff import BUSY_ADDRESS, FORGOTTEN, Lane, after_try, network, seconds_to_wait
from desk.limits.errors import TooManyTries
from desk.vault.vault import Vault

NEVER_DELAYED: Final = 2**31
"""Tries from an address are counted, never delayed."""


class LoginBackoff(Service):
    """The log-in tries of one database."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock) -> None:
        super().__init__(database=database, clock=clock)
        self._vault = vault

    async def count_try(self, tried: Sequence[Lane], address: str | None) -> None:
        """Count a try before it is made, so that sending many at once is no way around. Raises TooManyTries.

        `address`: where it comes from, if tries from there are counted.
        """
        wait = await self._wait(SYSTEM, tried)  # without a write: a client that keeps trying is refused cheaply
        wait = wait or await self._count(SYSTEM, tried, address)
        if wait:
            raise TooManyTries(wait)

    @unit_of_work
    async def forgive(self, unit: Unit, tried: Sequence[Lane], address: str | None) -> None:
        """The password was right: start these lanes from zero, and count one failure less from the address."""
        place = self._place(address) if address is not None else None
        await rows.forgive(unit, [self._key(lane.key) for lane in tried], place)
        await rows.delete_old(unit, before=unit.now - FORGOTTEN)

    @reading
    async def _wait(self, unit: Unit, tried: Sequence[Lane]) -> int:
        """Return the seconds until a try is free in all these lanes."""
        keys = [self._key(lane.key) for lane in tried]
        counts = await rows.lane_counts(unit, keys)
        return seconds_to_wait([counts.get(key) for key in keys], unit.now)

    @unit_of_work
    async def _count(self, unit: Unit, tried: Sequence[Lane], address: str | None) -> int:
        """Count one try in these lanes. Returns the seconds to wait, or 0 if the try is counted."""
        keys = {lane: self._key(lane.key) for lane in tried}
        place = [self._place(address)] if address is not None else []
        found = await rows.locked_lanes(unit, [*keys.values(), *place])
        if wait := seconds_to_wait([found[key] for key in keys.values()], unit.now):
            return wait
        busy = any(found[key].failures >= BUSY_ADDRESS for key in place)
        counts = {key: after_try(found[key], lane, unit.now, busy=busy) for lane, key in keys.items()}
        counts |= {key: after_try(found[key], Lane(key, NEVER_DELAYED), unit.now, busy=False) for key in place}
        await rows.set_lanes(unit, counts)
        return 0

    def _place(self, address: str) -> str:
        return self._key(f"address\0{network(address)}")

    def _key(self, lane: str) -> str:
        return hashlib.sha256(b"login\0" + self._vault.index(f"login\0{lane}")).hexdigest()
