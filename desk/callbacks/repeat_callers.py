"""What callers may do with a callback they already have open: hear its status, cancel it, change its number."""

from collections.abc import Sequence
from dataclasses import dataclass

from desk.callbacks import calls_repository as calls
from desk.callbacks import repository as rows
from desk.callbacks import transitions
from desk.callbacks.errors import CallbackNotFound
from desk.callbacks.model import Callback, CallKey
from desk.callbacks.service import CallbackService
from desk.database.unit_of_work import Unit, unit_of_work
from desk.inquiries import claims_repository as claims
from desk.inquiries import transitions as inquiries
from desk.inquiries.errors import IllegalMove
from desk.inquiries.model import ClosedReason, Status
from desk.numbers.identity_number import IdentityNumber
from desk.numbers.phone_number import PhoneNumber


@dataclass(frozen=True)
class Standing:
    """A caller's open callback, after this call was counted.

    `known_person`: the caller keyed the callback's identity number, so its status may be said. `ahead`: how many are
    called before it, None while an agent has it. `tried_in_vain`: an attempt was not answered, so it is first in line
    now. `late`: the promise had passed. `is_new_call` is false when this call was counted before. `own_phone`: the call
    came from the callback's own number. From any other phone, nothing but the time is said.
    """

    callback: Callback
    known_person: bool
    ahead: int | None
    tried_in_vain: bool
    late: bool
    is_new_call: bool
    own_phone: bool = True


class RepeatCallers(CallbackService):
    """Second calls. A call reaches only the callback that `rang_again` joined it to."""

    @unit_of_work
    async def rang_again(
        self,
        unit: Unit,
        call: CallKey,
        department: str,
        patient: IdentityNumber | None,
        phone: PhoneNumber | None,
        *,
        language: str = "nb",
    ) -> Standing | None:
        """Join the call to the caller's open callback there, found by person, else by the `phone` they call from.

        Its count goes up, also while an agent has it. Its number stays. After an unanswered attempt it goes first in
        line. Returns None if there is none. The same `call` again changes nothing. Raises DepartmentNotFound.
        """
        rules = self._departments().get(department)
        known = await calls.find(unit, call)
        indexes = self._vault.indexes(patient.value) if patient else None
        if known and known.callback_id:
            callback = await rows.locked(unit, known.callback_id)
            return await self._standing(unit, callback, callback, indexes, phone, is_new_call=False)
        before = await rows.find_open_of_caller(unit, department, indexes, phone)
        if before is None:
            return None
        named = None
        if patient and before.patient_index is None:
            named = transitions.patient_columns(self._vault, patient, before)
        more = {"other_phone": phone != before.phone}
        callback = await transitions.rang_again(
            unit, rules, before, before.phone, language, changed=named, more=more, patient=patient
        )
        leading = calls.leading_to(unit, callback.id, known, key=call, department=department, phone=phone)
        await unit.connection.execute(leading)
        return await self._standing(unit, callback, before, indexes, phone, is_new_call=True)

    @unit_of_work
    async def cancel(self, unit: Unit, call: CallKey) -> Callback:
        """Close the callback this call was joined to, because the caller asks; also while an agent has it.

        A closed callback stays as it is. Raises CallbackNotFound if the call was joined to none.
        """
        callback = await self._joined(unit, call)
        if callback.status is Status.CLOSED:
            return callback
        return await inquiries.close(unit, callback, ClosedReason.CANCELLED_BY_CALLER, None)

    @unit_of_work
    async def change_phone(self, unit: Unit, call: CallKey, phone: PhoneNumber) -> Callback:
        """Change the number of the callback this call was joined to. SMS texts go to the new number as well.

        Raises CallbackNotFound if the call was joined to none, IllegalMove if an agent has closed it meanwhile.
        """
        callback = await self._joined(unit, call)
        if callback.status is Status.CLOSED:
            raise IllegalMove("it is closed")
        if callback.phone == phone:
            return callback
        changed = await transitions.change_phone(unit, callback, phone)
        rules = self._departments().get(changed.department)
        return await self._phone_changed(unit, rules, changed)

    @unit_of_work
    async def add_phone(self, unit: Unit, call: CallKey, phone: PhoneNumber) -> Callback:
        """Add a number to the callback this call was joined to from another phone. An agent sees both numbers.

        The number that is called stays, and gets a text that one was added. Raises CallbackNotFound if the call was
        joined to none, IllegalMove if an agent has closed it meanwhile.
        """
        callback = await self._joined(unit, call)
        if callback.status is Status.CLOSED:
            raise IllegalMove("it is closed")
        if phone.e164 in (callback.phone.e164, callback.added_phone):
            return callback
        changed = await transitions.add_phone(unit, callback, phone)
        await self._notices.number_added(unit, self._departments().get(changed.department), changed.recipient)
        return changed

    @unit_of_work
    async def doubt_identity(self, unit: Unit, call: CallKey) -> None:
        """Mark the identity number that this call has keyed as doubtful: an agent asks who it is.

        Raises CallbackNotFound if the call was joined to no callback.
        """
        callback = await self._joined(unit, call)
        if callback.patient_kind and not callback.identity_doubtful:
            await transitions.doubt_identity(unit, callback)

    async def _joined(self, unit: Unit, call: CallKey) -> Callback:
        known = await calls.find(unit, call)
        if known is None or known.callback_id is None:
            raise CallbackNotFound
        return await rows.locked(unit, known.callback_id)

    async def _standing(
        self,
        unit: Unit,
        callback: Callback,
        before: Callback,
        indexes: Sequence[bytes] | None,
        phone: PhoneNumber | None,
        *,
        is_new_call: bool,
    ) -> Standing:
        waits = callback.status is Status.WAITING
        return Standing(
            callback=callback,
            known_person=indexes is not None and before.patient_index in indexes,
            ahead=await claims.ahead_of(unit, callback) if waits else None,
            tried_in_vain=transitions.tried_in_vain(before),
            late=before.promise.by <= unit.now,
            is_new_call=is_new_call,
            own_phone=phone == callback.phone,
        )
