"""What patients are told in writing, written into the outbox in the unit of work that makes it true.

Only to mobile phones the department may ring. A text names no department, illness or patient; its number and words are
sealed, and forgotten once it has left.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from desk.callbacks.model import Callback
from desk.database.engine import Connection
from desk.departments.departments import Department
from desk.history import history
from desk.history.history import SYSTEM, Entry
from desk.messages import repository as outbox
from desk.messages.model import SmsKind, SmsState
from desk.messages.repository import SmsRow
from desk.messages.texts import SmsTexts
from desk.numbers.phone_number import PhoneNumber
from desk.vault.vault import Vault


class Notices:
    """Writes texts. `texts` gives the words of now, or None where no SMS is sent."""

    def __init__(self, *, vault: Vault, texts: Callable[[], SmsTexts | None]) -> None:
        self._vault = vault
        self._texts = texts

    def reaches(self, rules: Department, phone: PhoneNumber) -> bool:
        """Whether a text can be sent to that number."""
        return self._texts() is not None and phone.mobile and phone.e164.startswith(tuple(rules.ring_prefixes))

    async def receipt(self, connection: Connection, rules: Department, callback: Callback, now: datetime) -> Callback:
        """Tell that we have the callback and when we ring, where the department wants that; the callback after it."""
        return await self._write(connection, rules, callback, SmsKind.RECEIPT, now) if rules.sms_receipt else callback

    async def new_promise(
        self, connection: Connection, rules: Department, callback: Callback, now: datetime
    ) -> Callback:
        """Tell of the callback's newest promise, which is stored already; the callback after it."""
        return await self._write(connection, rules, callback, SmsKind.NEW_PROMISE, now)

    async def follow(self, connection: Connection, rules: Department, callback: Callback, now: datetime) -> Callback:
        """The callback has another number now; the callback after it.

        A text that never left goes to the new one, or nowhere if that is no mobile. One that may have left stays with
        the old number, and the new one gets a receipt of its own where the department gives them.
        """
        told = False
        for row in await outbox.waiting(connection, callback.id):
            if row.tries == 0 and self.reaches(rules, callback.phone):
                await self._address(connection, row.id, callback.phone)
                callback, told = replace(callback, sms=SmsState.QUEUED), True
            else:
                await withdraw(connection, row, now)
                callback = replace(callback, sms=SmsState.WITHDRAWN)
        if told:
            return callback
        return await self.receipt(connection, rules, callback, now) if callback.promise.by > now else callback

    async def _write(
        self, connection: Connection, rules: Department, callback: Callback, kind: SmsKind, now: datetime
    ) -> Callback:
        texts = self._texts()
        if texts is None or not self.reaches(rules, callback.phone):
            return callback
        text = texts.text(kind, rules, callback.promise, callback.language)
        id = await outbox.add(connection, callback.id, kind, now)
        await outbox.fill(connection, id, text=self._vault.seal(text, outbox.TEXT, id))
        await self._address(connection, id, callback.phone)
        return replace(callback, sms=SmsState.QUEUED)

    async def _address(self, connection: Connection, id: int, phone: PhoneNumber) -> None:
        await outbox.fill(connection, id, phone=self._vault.seal(phone.e164, outbox.PHONE, id))


async def withdraw(connection: Connection, row: SmsRow, now: datetime) -> None:
    """It is no longer true, or for another number: never sent."""
    await outbox.change(connection, row, SmsState.WITHDRAWN, now)
    await note_down(connection, row, SmsState.WITHDRAWN, now)


async def note_down(
    connection: Connection, row: SmsRow, state: SmsState, now: datetime, reason: str | None = None
) -> None:
    """What became of a text, in the callback's history: `sms_sent`, `sms_failed` …"""
    details = {"kind": row.kind.value} | ({"reason": reason} if reason else {})
    entry = Entry(row.callback_id, row.department, now, f"sms_{state.value}", SYSTEM, details=details)
    await history.append(connection, [entry])
