"""Showing whole identity numbers: each time is in the history, and there is a limit per agent and hour.

The counts are in the database, so they hold across processes and restarts. An agent who reaches the limit is refused
until the hour's share grows again, and the department is notified once an hour by a row of its history, which everyone
who follows its changes sees. The counts share a table with failed log-ins, under keys of their own: `next_at` is when
the agent's share is whole again, `last_at` is when the department was notified. A count may be deleted after an hour.
"""

import hashlib
from typing import Final

import structlog

from desk.access.actor import Actor
from desk.callbacks import repository as callbacks
from desk.callbacks.errors import TooManyNumbers
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, unit_of_work
from desk.history import repository as history
from desk.history.model import HistoryEntry
from desk.ids import CallbackId
from desk.limits import repository as counts
from desk.limits.backoff import FORGOTTEN, Count
from desk.limits.rate import Rate, use
from desk.numbers.identity_number import IdentityNumber
from desk.vault.vault import Vault

AN_HOUR: Final = Rate(300, FORGOTTEN)
REACHED: Final = "number_limit_reached"

log = structlog.get_logger(__name__)


class IdentityReveal(Service):
    """Shows whole identity numbers to agents."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock, rate: Rate = AN_HOUR) -> None:
        """`rate`: how many identity numbers one agent may be shown."""
        super().__init__(database=database, clock=clock)
        self._vault = vault
        self._rate = rate

    async def reveal(self, by: Actor | Unit, id: CallbackId) -> IdentityNumber | None:
        """The whole identity number, None if the callback has none. The history says first who sees it.

        Raises CallbackNotFound, TooManyNumbers.
        """
        revealed = await self._reveal(by, id)
        if isinstance(revealed, int):  # committed all the same: the department is notified
            raise TooManyNumbers(revealed)
        return revealed

    @unit_of_work
    async def _reveal(self, unit: Unit, id: CallbackId) -> IdentityNumber | int | None:
        """As `reveal`; a whole number is the seconds until the agent may see one more."""
        callback = await callbacks.get(unit, id)
        found = await callbacks.sealed_patient(unit, id)
        if found is None:
            return None
        if wait := await self._count(unit):
            await self._notify(unit, callback.department)
            return wait
        await history.add(unit, [HistoryEntry(callback.id, callback.department, "patient_viewed")])
        sealed, kind = found
        number = IdentityNumber(self._vault.open(sealed, callbacks.PATIENT_NUMBER, callback.id), kind)
        unit.trail.revealed(number.value)
        return number

    async def _count(self, unit: Unit) -> int:
        """Count one more number for this agent. Returns 0 if it may be shown, else seconds until it may.

        Other requests by the same agent wait for this unit of work, so sending many at once does not help.
        """
        key = self._key("numbers", unit)
        before = (await counts.locked(unit.connection, [key], unit.now))[key]
        asked = use(before.next_at, unit.now, self._rate)
        if not asked.wait:
            await counts.put(unit.connection, {key: Count(0, asked.full_at, unit.now)})
        return asked.wait

    async def _notify(self, unit: Unit, department: str) -> None:
        """Notify the department, unless one was notified of this agent within the hour."""
        key = self._key("numbers told", unit)
        before = (await counts.locked(unit.connection, [key], unit.now))[key]
        if before.failures and before.last_at > unit.now - self._rate.per:
            return
        await counts.put(unit.connection, {key: Count(before.failures + 1, unit.now, unit.now)})
        await history.add(unit, [HistoryEntry(None, department, REACHED)])
        log.warning("An agent has reached the limit of identity numbers", agent=unit.actor.name, department=department)

    def _key(self, purpose: str, unit: Unit) -> str:
        return hashlib.sha256(self._vault.index(f"{purpose}\0{unit.actor.name}")).hexdigest()
