"""Whole identity numbers, and who may see one.

An agent may see the identity number of a patient whom they call back: with `Permission.WORK`
(desk/access/permissions.py) in the department where the callback is now. Emergency access («nødrett») opens it too. The
routes are GET /callbacks/{id}/patient, GET /fhir/Task/{id} for a record system and, for an incomplete call, GET
/calls/{number}/patient; all others show the number masked. Each time is in the history and in the audit, and there is a
limit per agent and hour. Besides, an operator with the vault's keys can export what is stored about one person
(`innringing person export`); the audit says so.

An agent who reaches the limit is refused until the hour's share grows again. The department is notified once an hour by
a row of its history, which everyone who follows its changes sees.
"""

from typing import Final

import structlog

from desk.access.actor import Actor
from desk.callbacks import calls_repository as calls
from desk.callbacks import repository as callbacks
from desk.callbacks.errors import CallNotFound
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, unit_of_work
from desk.history import repository as history
from desk.history.model import HistoryEntry
from desk.ids import CallbackId
from desk.inquiries.repository import PATIENT_NUMBER
from desk.limits import agent_limit
from desk.limits.agent_limit import Limited
from desk.limits.errors import TooManyNumbers
from desk.limits.rate import Rate
from desk.numbers.identity_number import IdentityKind, IdentityNumber
from desk.vault.vault import Vault

CALL_VIEWED: Final = "call_patient_viewed"
REACHED: Final = "number_limit_reached"

log = structlog.get_logger(__name__)


class IdentityReveal(Service):
    """Shows whole identity numbers to agents."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock, rate: Rate = agent_limit.NUMBERS) -> None:
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

    async def reveal_of_call(self, by: Actor | Unit, id: int) -> IdentityNumber | None:
        """The whole identity number keyed in an incomplete call, None if there is none. The history says who sees it.

        Raises CallNotFound, TooManyNumbers.
        """
        revealed = await self._reveal_of_call(by, id)
        if isinstance(revealed, int):
            raise TooManyNumbers(revealed)
        return revealed

    @unit_of_work
    async def _reveal_of_call(self, unit: Unit, id: int) -> IdentityNumber | int | None:
        """As `reveal_of_call`; a whole number is the seconds until the agent may see one more."""
        call = await calls.get(unit, id)
        if call is None:
            raise CallNotFound
        event = HistoryEntry(None, call.department, CALL_VIEWED, details={"call": id})
        return await self._open(unit, await calls.sealed_patient(unit, id), calls.PATIENT_NUMBER, id, event)

    @unit_of_work
    async def _reveal(self, unit: Unit, id: CallbackId) -> IdentityNumber | int | None:
        """As `reveal`; a whole number is the seconds until the agent may see one more."""
        callback = await callbacks.get(unit, id)
        event = HistoryEntry(callback.id, callback.department, "patient_viewed")
        return await self._open(unit, await callbacks.sealed_patient(unit, id), PATIENT_NUMBER, callback.id, event)

    async def _open(
        self, unit: Unit, found: tuple[bytes, IdentityKind] | None, column: str, row: str | int, event: HistoryEntry
    ) -> IdentityNumber | int | None:
        """Open what is sealed in that column and row, within the limit, and add `event` to the history."""
        if found is None:
            return None
        if wait := await agent_limit.count(unit, Limited.NUMBERS, self._rate):
            await self._notify(unit, event.department)
            return wait
        await history.add(unit, [event])
        sealed, kind = found
        number = IdentityNumber(self._vault.open(sealed, column, row), kind)
        unit.trail.revealed(number.value)
        return number

    async def _notify(self, unit: Unit, department: str) -> None:
        """Notify the department, unless one was notified of this agent within the hour."""
        if not await agent_limit.must_notify(unit, Limited.NUMBERS, self._rate):
            return
        await history.add(unit, [HistoryEntry(None, department, REACHED)])
        log.warning("An agent has reached the limit of identity numbers", agent=unit.actor.name, department=department)
