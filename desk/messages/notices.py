"""What patients are informed of in writing. A text is put into the outbox in the unit of work that makes it true.

Only mobile phones that the department may ring get texts. A text names no department, illness or patient. Its number
and words are sealed, and deleted when it has left.
"""

from collections.abc import Callable

from desk.database.unit_of_work import Unit
from desk.departments.departments import Department
from desk.history import repository as history
from desk.history.model import HistoryEntry
from desk.limits import phone_limit
from desk.limits.rate import Rate
from desk.messages import repository as outbox
from desk.messages.model import Recipient, SmsKind, SmsState
from desk.messages.repository import SmsRow
from desk.messages.texts import SmsTexts
from desk.numbers.phone_number import PhoneNumber
from desk.vault.vault import Vault


class Notices:
    """Writes texts. `texts` returns the current words, or None where no SMS is sent.

    Each method returns the state of the patient's newest text, or None if it wrote and changed none.
    """

    def __init__(self, *, vault: Vault, texts: Callable[[], SmsTexts | None], rate: Rate = phone_limit.TEXTS) -> None:
        """`rate`: how many texts of one kind that callers cause go to one number."""
        self._vault = vault
        self._texts = texts
        self._rate = rate

    def reaches(self, rules: Department, phone: PhoneNumber) -> bool:
        """Whether a text can be sent to that number."""
        return self._texts() is not None and phone.mobile and phone.e164.startswith(tuple(rules.ring_prefixes))

    async def receipt(self, unit: Unit, rules: Department, to: Recipient) -> SmsState | None:
        """Write that we have the inquiry and when we ring, if the department sends receipts."""
        return await self._write(unit, rules, to, SmsKind.RECEIPT) if rules.sms_receipt else None

    async def new_promise(self, unit: Unit, rules: Department, to: Recipient) -> SmsState | None:
        """Write the newest promise, which is stored already."""
        return await self._write(unit, rules, to, SmsKind.NEW_PROMISE)

    async def number_added(self, unit: Unit, rules: Department, to: Recipient) -> SmsState | None:
        """Write to the number we call that another phone has added a number."""
        return await self._write(unit, rules, to, SmsKind.NUMBER_ADDED)

    async def phone_changed(self, unit: Unit, rules: Department, to: Recipient) -> SmsState | None:
        """Send the patient's texts to the new number.

        A text that was never tried goes to the new number, or is withdrawn if that is no mobile. One that may have left
        stays with the old number, and the new one gets a receipt of its own if the department sends them.
        """
        state: SmsState | None = None
        readdressed = False
        for row in await outbox.waiting(unit, to.inquiry_id):
            if row.tries == 0 and self.reaches(rules, to.phone):
                await self._address(unit, row.id, to.phone)
                state, readdressed = SmsState.QUEUED, True
            else:
                await _withdraw(unit, row)
                state = SmsState.WITHDRAWN
        if readdressed or to.promise.by <= unit.now:
            return state
        return await self.receipt(unit, rules, to) or state

    async def _write(self, unit: Unit, rules: Department, to: Recipient, kind: SmsKind) -> SmsState | None:
        texts = self._texts()
        if texts is None or not self.reaches(rules, to.phone):
            return None
        if not await self._may_write(unit, to.phone, kind):
            details = {"kind": kind.value}
            await history.add(
                unit.as_system(), [HistoryEntry(to.inquiry_id, rules.slug, "sms_withheld", details=details)]
            )
            return None
        text = texts.text(kind, rules, to.promise, to.language)
        id = await outbox.add(unit, to.inquiry_id, kind)
        await outbox.fill(unit, id, text=self._vault.seal(text, outbox.TEXT, id))
        await self._address(unit, id, to.phone)
        return SmsState.QUEUED

    async def _may_write(self, unit: Unit, phone: PhoneNumber, kind: SmsKind) -> bool:
        """Whether the number may get one more: anyone can key another person's number, or ring from it."""
        if kind is SmsKind.NEW_PROMISE:  # an agent's doing
            return True
        return await phone_limit.count_text(unit, self._vault, phone, kind.value, self._rate)

    async def _address(self, unit: Unit, id: int, phone: PhoneNumber) -> None:
        await outbox.fill(unit, id, phone=self._vault.seal(phone.e164, outbox.PHONE, id))


async def _withdraw(unit: Unit, row: SmsRow) -> None:
    await outbox.change(unit, row, SmsState.WITHDRAWN)
    await record_event(unit, row, SmsState.WITHDRAWN)


async def record_event(unit: Unit, row: SmsRow, state: SmsState, reason: str | None = None) -> None:
    """Record the text's new state in the inquiry's history: `sms_sent`, `sms_failed` …"""
    details = {"kind": row.kind.value} | ({"reason": reason} if reason else {})
    entry = HistoryEntry(row.inquiry_id, row.department, f"sms_{state.value}", details=details)
    await history.add(unit.as_system(), [entry])
