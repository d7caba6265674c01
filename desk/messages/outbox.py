"""The outbox: texts taken one at a time, handed to the gateway, and followed until they have arrived.

Any number of processes may send from one outbox: each text is taken with a lease. It is noted as sent after the gateway
took it, so a crash between the two sends it again, under the same key: at least once, never not at all.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from desk.clock import Clock
from desk.database.engine import Connection, Database
from desk.database.unit_of_work import UnitsOfWork, shielded
from desk.messages import repository as rows
from desk.messages.model import Refused, SmsGateway, SmsState, TryLater
from desk.messages.notices import note_down
from desk.messages.repository import SmsRow, Taken
from desk.numbers.phone_number import PhoneNumber
from desk.vault.errors import CannotOpen
from desk.vault.vault import Vault

LEASE = timedelta(seconds=60)
"""A gateway answers well within this. One whose sender died is taken again after it."""
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=5)
LONGEST_VALID = timedelta(hours=48)
FINAL = frozenset({SmsState.DELIVERED, SmsState.FAILED})

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Backlog:
    """How many texts wait, and since when the oldest does."""

    waiting: int
    oldest: datetime | None


class Outbox(UnitsOfWork):
    """Texts that wait to be sent, and what became of those that were."""

    def __init__(
        self,
        *,
        database: Database,
        vault: Vault,
        clock: Clock,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`chance` (0 to 1) spreads repeated tries, so that those which failed together don't come back together."""
        super().__init__(database)
        self._vault = vault
        self._clock = clock
        self._chance = chance

    async def send_next(self, gateway: SmsGateway) -> bool:
        """Send the text that is next, or find that it is not to be sent; False when none is due.

        Once begun it is ended, also when the awaiting task is cancelled. Raises TryLater when the gateway did not take
        it (it waits, longer each time) and StorageUnavailable.
        """
        return await shielded(self._send_next(gateway))

    async def report(self, key: str, part: str, state: SmsState, reason: str | None = None) -> bool:
        """Note what the gateway says became of a text, or of one `part` of it; False for a key we don't know.

        In any order and any number of times: what is final stays, a part that failed fails the text, and it is
        delivered when no part is known to be on its way.
        """

        async def work(connection: Connection) -> bool:
            row = await rows.locked(connection, key)
            if row is None:
                return False
            if row.parts.get(part) in FINAL or row.parts.get(part) == state:
                return True
            parts = {**row.parts, part: state.value}
            await rows.note(connection, row, parts=parts)
            whole = _whole(set(parts.values()))
            if row.state is not whole and (row.state not in FINAL or whole is SmsState.FAILED):
                await self._settle(connection, row, whole, reason if whole is SmsState.FAILED else None)
            return True

        return await self._write(work)

    async def backlog(self) -> Backlog:
        """How much waits. Raises StorageUnavailable."""
        return Backlog(*await self._read(rows.backlog))

    async def _send_next(self, gateway: SmsGateway) -> bool:
        now = self._clock.now()
        taken = await self._write(lambda connection: rows.take(connection, now, now + LEASE))
        if taken is None:
            return False
        if not taken.true:
            await self._end(taken.row, SmsState.WITHDRAWN)
        elif taken.by <= now:
            await self._end(taken.row, SmsState.EXPIRED)
        else:
            await self._hand_over(gateway, taken, now)
        return True

    async def _hand_over(self, gateway: SmsGateway, taken: Taken, now: datetime) -> None:
        row = taken.row
        try:
            to, text = self._opened(row)
        except CannotOpen:
            await self._end(row, SmsState.FAILED, "cannot_open")
            return
        try:
            reference = await gateway.send(row.key, to, text, valid=min(taken.by - now, LONGEST_VALID))
        except Refused as refused:
            await self._end(row, SmsState.FAILED, refused.reason)
        except TryLater as later:
            await self._postpone(row)
            log.warning("sms not taken by the gateway", sms=row.id, reason=later.reason, tries=row.tries)
            raise
        except Exception as fault:
            await self._postpone(row)
            log.error("sms not sent", sms=row.id, error=type(fault).__name__)
            raise TryLater("fault") from None
        else:
            await self._sent(row, reference)

    def _opened(self, row: SmsRow) -> tuple[PhoneNumber, str]:
        """The number and the words. Raises CannotOpen."""
        if row.phone is None or row.text is None:
            raise CannotOpen
        e164 = self._vault.open(row.phone, rows.PHONE, row.id)
        return PhoneNumber(e164, mobile=True), self._vault.open(row.text, rows.TEXT, row.id)

    async def _sent(self, taken: SmsRow, reference: str) -> None:
        async def work(connection: Connection) -> None:
            row = await rows.locked(connection, taken.key)
            if row is None:
                return
            await rows.note(connection, row, reference=reference[:128] or None)
            if row.state is SmsState.QUEUED:  # else a report was here before us
                await self._settle(connection, row, SmsState.SENT)

        await self._write(work)

    async def _end(self, taken: SmsRow, state: SmsState, reason: str | None = None) -> None:
        """It won't be sent, unless another sender has taken it meanwhile: then it is theirs."""

        async def work(connection: Connection) -> None:
            row = await rows.locked(connection, taken.key)
            if row and row.state is SmsState.QUEUED and row.tries == taken.tries:
                await self._settle(connection, row, state, reason)

        await self._write(work)

    async def _settle(self, connection: Connection, row: SmsRow, state: SmsState, reason: str | None = None) -> None:
        now = self._clock.now()
        await rows.change(connection, row, state, now, reason=reason)
        await note_down(connection, row, state, now, reason)

    async def _postpone(self, row: SmsRow) -> None:
        pause = min(FIRST_PAUSE * 2 ** min(row.tries - 1, 10), LONGEST_PAUSE) * (1 + self._chance() / 4)
        next_at = self._clock.now() + pause
        await self._write(lambda connection: rows.postpone(connection, row, next_at))


def _whole(parts: set[str]) -> SmsState:
    """The state of a text from those of its parts."""
    if SmsState.FAILED in parts:
        return SmsState.FAILED
    return SmsState.SENT if SmsState.SENT in parts else SmsState.DELIVERED
