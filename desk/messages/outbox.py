"""The outbox: texts are taken one at a time, handed to the gateway, and followed until they have arrived.

Any number of processes may send from one outbox: each text is taken with a lease. It is recorded as sent after the
gateway accepted it, so a crash between the two sends it again under the same key: at least once, never not at all.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from desk.access.actor import SYSTEM
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.pages import Page
from desk.database.unit_of_work import Service, Unit, reading, shielded, unit_of_work
from desk.messages import repository as rows
from desk.messages.errors import SmsNotFound
from desk.messages.model import GatewayRefusal, SmsFilter, SmsGateway, SmsRecord, SmsState, TryLater
from desk.messages.notices import record_event
from desk.messages.repository import DueText, SmsRow
from desk.numbers.phone_number import PhoneNumber
from desk.vault.errors import CannotOpen
from desk.vault.vault import Vault

LEASE = timedelta(seconds=60)
"""A gateway answers well within this. A text whose sender died is taken again after it."""
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=5)
LONGEST_VALID = timedelta(hours=48)
MAX_PAGE = 200
FINAL = frozenset({SmsState.DELIVERED, SmsState.FAILED})

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Backlog:
    """How many texts wait, and how long the oldest has waited."""

    waiting: int
    oldest: datetime | None


class Outbox(Service):
    """Texts that wait to be sent, and what became of those that were sent."""

    def __init__(
        self,
        *,
        database: Database,
        vault: Vault,
        clock: Clock,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`chance` (0 to 1) spreads repeated tries, so that texts that failed together don't return together."""
        super().__init__(database=database, clock=clock)
        self._vault = vault
        self._chance = chance

    async def send_next(self, gateway: SmsGateway) -> bool:
        """Send the next text, or find that it must not be sent. Returns False if none is due.

        A text that was started is finished, even when the awaiting task is cancelled. Raises TryLater if the gateway
        did not accept the text (it then waits, longer each time), and StorageUnavailable.
        """
        return await shielded(self._send_next(gateway))

    @unit_of_work
    async def report(self, unit: Unit, key: str, part: str, state: SmsState, reason: str | None = None) -> bool:
        """Record what the gateway says became of a text, or of one `part` of it. Returns False for an unknown key.

        Reports may come in any order and repeatedly. What is final stays. A part that failed fails the text, and the
        text is delivered when no part is known to be on its way.
        """
        row = await rows.locked(unit, key)
        if row is None:
            return False
        if row.parts.get(part) in FINAL or row.parts.get(part) == state:
            return True
        parts = {**row.parts, part: state.value}
        await rows.record(unit, row, parts=parts)
        whole = _state_of(set(parts.values()))
        if row.state is not whole and (row.state not in FINAL or whole is SmsState.FAILED):
            await self._change(unit, row, whole, reason if whole is SmsState.FAILED else None)
        return True

    @reading
    async def backlog(self, unit: Unit) -> Backlog:
        """Return what waits to be sent."""
        return Backlog(*await rows.backlog(unit))

    @reading
    async def undelivered(self, unit: Unit, since: datetime) -> list[tuple[str, SmsState, str | None, int]]:
        """Count the texts written since then that did not arrive, by department, state and reason."""
        return await rows.undelivered(unit, since)

    @reading
    async def page(
        self, unit: Unit, filters: SmsFilter, *, cursor: str | None = None, limit: int = MAX_PAGE
    ) -> Page[SmsRecord]:
        """List texts about callbacks in the actor's scope, oldest first, 200 at most. Raises BadCursor."""
        return await rows.page(unit, filters, cursor=cursor, limit=min(limit, MAX_PAGE))

    @reading
    async def get(self, unit: Unit, id: int) -> SmsRecord:
        """Read what became of a text. Raises SmsNotFound."""
        found = (await rows.page(unit, SmsFilter(ids=[id]), cursor=None, limit=1)).items
        if not found:
            raise SmsNotFound
        return found[0]

    async def _send_next(self, gateway: SmsGateway) -> bool:
        due, now = await self._take(SYSTEM)
        if due is None:
            return False
        if not due.is_true:
            await self._end(SYSTEM, due.row, SmsState.WITHDRAWN)
        elif due.by <= now:
            await self._end(SYSTEM, due.row, SmsState.EXPIRED)
        else:
            await self._hand_over(gateway, due, now)
        return True

    async def _hand_over(self, gateway: SmsGateway, due: DueText, now: datetime) -> None:
        row = due.row
        try:
            to, text = self._opened(row)
        except CannotOpen:
            await self._end(SYSTEM, row, SmsState.FAILED, "cannot_open")
            return
        try:
            reference = await gateway.send(row.key, to, text, valid=min(due.by - now, LONGEST_VALID))
        except GatewayRefusal as refusal:
            await self._end(SYSTEM, row, SmsState.FAILED, refusal.reason)
        except TryLater as later:
            await self._postpone(SYSTEM, row)
            log.warning("The gateway did not take an SMS", sms=row.id, reason=later.reason, tries=row.tries)
            raise
        except Exception as fault:
            await self._postpone(SYSTEM, row)
            log.error("An SMS was not sent", sms=row.id, error=type(fault).__name__)
            raise TryLater("fault") from None
        else:
            await self._record_sent(SYSTEM, row, reference)

    def _opened(self, row: SmsRow) -> tuple[PhoneNumber, str]:
        """Open the number and the words. Raises CannotOpen."""
        if row.phone is None or row.text is None:
            raise CannotOpen
        e164 = self._vault.open(row.phone, rows.PHONE, row.id)
        return PhoneNumber(e164, mobile=True), self._vault.open(row.text, rows.TEXT, row.id)

    @unit_of_work
    async def _take(self, unit: Unit) -> tuple[DueText | None, datetime]:
        """Take the next text that is due, if any. Returns the moment as well."""
        return await rows.take(unit, until=unit.now + LEASE), unit.now

    @unit_of_work
    async def _record_sent(self, unit: Unit, taken: SmsRow, reference: str) -> None:
        row = await rows.locked(unit, taken.key)
        if row is None:
            return
        await rows.record(unit, row, reference=reference[:128] or None)
        if row.state is SmsState.QUEUED:  # else a report came first
            await self._change(unit, row, SmsState.SENT)

    @unit_of_work
    async def _end(self, unit: Unit, taken: SmsRow, state: SmsState, reason: str | None = None) -> None:
        """Record that it won't be sent, unless another sender has taken it meanwhile."""
        row = await rows.locked(unit, taken.key)
        if row and row.state is SmsState.QUEUED and row.tries == taken.tries:
            await self._change(unit, row, state, reason)

    async def _change(self, unit: Unit, row: SmsRow, state: SmsState, reason: str | None = None) -> None:
        await rows.change(unit, row, state, reason=reason)
        await record_event(unit, row, state, reason)

    @unit_of_work
    async def _postpone(self, unit: Unit, row: SmsRow) -> None:
        pause = min(FIRST_PAUSE * 2 ** min(row.tries - 1, 10), LONGEST_PAUSE) * (1 + self._chance() / 4)
        await rows.postpone(unit, row, unit.now + pause)


def _state_of(parts: set[str]) -> SmsState:
    """Return the state of a text from the states of its parts."""
    if SmsState.FAILED in parts:
        return SmsState.FAILED
    return SmsState.SENT if SmsState.SENT in parts else SmsState.DELIVERED
