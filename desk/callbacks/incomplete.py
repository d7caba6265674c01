"""Incomplete calls: callers who left before anything was registered. Each waits until someone has dealt with it."""

from typing import Final

from desk.callbacks import calls_repository as calls
from desk.callbacks.edits import CallbackEdits
from desk.callbacks.errors import CallDealtWith, CallNotFound, NoNumber
from desk.callbacks.model import CallFollowUp, RecordedCall, RegistrationResult
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.pages import Page
from desk.database.unit_of_work import Service, Unit, reading, unit_of_work
from desk.history import repository as history
from desk.history.model import HistoryEntry
from desk.numbers.identity_number import IdentityNumber
from desk.vault.vault import Vault

DEALT_WITH: Final = "call_dealt_with"
MAX_PAGE: Final = 200


class IncompleteCalls(Service):
    """What agents do with incomplete calls."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock, edits: CallbackEdits) -> None:
        super().__init__(database=database, clock=clock)
        self._vault = vault
        self._edits = edits

    @reading
    async def waiting(self, unit: Unit, *, cursor: str | None = None, limit: int = MAX_PAGE) -> Page[RecordedCall]:
        """List the incomplete calls that no one has dealt with, oldest first. Raises BadCursor."""
        return await calls.page(unit, incomplete=True, undealt=True, cursor=cursor, limit=min(limit, MAX_PAGE))

    @reading
    async def count(self, unit: Unit) -> int:
        """Count them, up to 200."""
        return await calls.count_undealt(unit, MAX_PAGE)

    @unit_of_work
    async def dismiss(self, unit: Unit, id: int, reason: CallFollowUp) -> RecordedCall:
        """Record that the call needs nothing more, and why. Raises CallNotFound, CallDealtWith."""
        call = await self._undealt(unit, id)
        await calls.deal_with(unit, call, reason, led_to=None)
        await self._record(unit, call, reason)
        return call

    @unit_of_work
    async def book(self, unit: Unit, id: int) -> RegistrationResult:
        """Register a callback for the caller, with what is known: the number, and the person if one was keyed.

        Raises CallNotFound, CallDealtWith, NoNumber without a number to call (the hospital's own is none), and what
        `CallbackEdits.book` raises.
        """
        call = await self._undealt(unit, id)
        if call.phone is None or self._edits.is_own(call.phone):
            raise NoNumber
        sealed = await calls.sealed_patient(unit, id)
        patient = IdentityNumber(self._vault.open(sealed[0], calls.PATIENT_NUMBER, id), sealed[1]) if sealed else None
        booked = await self._edits.book(unit, call.department, patient, call.phone)
        await calls.deal_with(unit, call, CallFollowUp.BOOKED, led_to=booked.callback.id)
        await self._record(unit, call, CallFollowUp.BOOKED)
        return booked

    async def _undealt(self, unit: Unit, id: int) -> RecordedCall:
        call = await calls.get(unit, id, locked=True)
        if call is None or not call.incomplete:
            raise CallNotFound
        if call.follow_up is not None:
            raise CallDealtWith
        return call

    @staticmethod
    async def _record(unit: Unit, call: RecordedCall, how: CallFollowUp) -> None:
        details = {"call": call.id, "how": how.value}
        await history.add(unit, [HistoryEntry(None, call.department, DEALT_WITH, details=details)])
