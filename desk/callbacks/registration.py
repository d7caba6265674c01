"""Registering callers: what is stored before a caller hears that the call was received."""

from collections.abc import Collection
from functools import partial

from desk.callbacks import calls_repository as calls
from desk.callbacks import floods, transitions
from desk.callbacks import repository as rows
from desk.callbacks.model import CallKey, IncompleteStep, RecordedCall, RegistrationResult, WhyEnded
from desk.callbacks.service import CallbackService
from desk.database.unit_of_work import Unit, one_statement, unit_of_work
from desk.inquiries.availability import next_promise
from desk.numbers.identity_number import IdentityNumber
from desk.numbers.phone_number import PhoneNumber


class Registration(CallbackService):
    """Registers callers. A receipt given after `register` returns is true: the callback is on disk."""

    @unit_of_work
    async def register(
        self,
        unit: Unit,
        call: CallKey,
        department: str,
        patient: IdentityNumber | None,
        phone: PhoneNumber,
        *,
        language: str = "nb",
        another: bool = False,
    ) -> RegistrationResult:
        """Store that this caller is to be called back.

        A caller with an open callback there (the same person, or without a person the same phone) gets no second one:
        its count goes up, and a number other than its own is added to it. The same `call` again changes nothing.
        `another`: the caller calls for someone else than the person this call was joined to, who gets a callback too.
        Where the department sends receipts by SMS, one is stored with the callback. Raises DepartmentNotFound.
        """
        rules = self._departments().get(department)
        known = await calls.find(unit, call)
        if known and known.callback_id:
            before = await rows.get(unit, known.callback_id)
            if not another or before.call_count == 1:  # one that this call has added
                return RegistrationResult(before, created=False)
        patient = patient or await self._patient_of(unit, known)
        indexes = self._vault.indexes(patient.value) if patient else None
        found = None if another else await rows.find_open(unit, department, indexes, phone)
        offer = None
        leading = partial(calls.leading_to, unit, known=known, key=call, department=department, phone=phone)
        if found:
            more = {"other_phone": phone != found.phone}
            callback = await transitions.rang_again(
                unit, rules, found, found.phone, language, more=more, patient=patient
            )
            await unit.connection.execute(leading(callback.id))
        else:
            first_time, suspected = await floods.signs(unit, rules, indexes, phone)
            offer = await next_promise(unit, rules, suspected=suspected)
            callback = await transitions.add_callback(
                unit,
                rules,
                self._vault,
                patient,
                phone,
                language,
                offer,
                another=another,
                first_time=first_time,
                suspected=suspected,
                beside=leading,
            )
        if found is None:
            callback = callback.with_sms(await self._notices.receipt(unit, rules, callback.recipient))
        elif phone != found.phone:
            callback = await transitions.add_phone(unit, callback, phone)
            await self._notices.number_added(unit, rules, callback.recipient)
        return RegistrationResult(callback, created=found is None, later=offer.later if offer else None)

    @unit_of_work
    async def find_registration(self, unit: Unit, call: CallKey) -> RegistrationResult | None:
        """Return what this call has stored, or None."""
        known = await calls.find(unit, call)
        if known is None or known.callback_id is None:
            return None
        return RegistrationResult(await rows.get(unit, known.callback_id), created=False)

    @one_statement
    async def record_arrival(
        self, unit: Unit, call: CallKey, department: str, *, phone: PhoneNumber | None, prompts: str | None = None
    ) -> None:
        """Record that a call came in, so that it leaves a trace however it ends. A known call is left alone.

        `prompts`: the version of the prompts that the caller hears.
        """
        await calls.add(unit, call, department=department, phone=phone, prompts=prompts)

    @unit_of_work
    async def end_lost_calls(self, unit: Unit, asterisk_id: str, *, excluding: Collection[str]) -> int:
        """Record as lost the calls of this Asterisk whose end was not recorded, and return how many.

        `excluding`: the channels of calls that go on.
        """
        return await calls.end_lost(unit, asterisk_id, excluding=excluding)

    @unit_of_work
    async def record_call(
        self,
        unit: Unit,
        call: CallKey,
        department: str,
        *,
        phone: PhoneNumber | None,
        step: IncompleteStep,
        why: WhyEnded = WhyEnded.HUNG_UP,
        patient: IdentityNumber | None = None,
    ) -> None:
        """Record a call that ended at `step`, before anything was registered. A registered call is left alone.

        So is a call with another reason than a hang-up, when the hang-up comes after it. The identity number that was
        keyed is kept, sealed, so that an agent can find the person's telephone number.
        """
        known = await calls.find(unit, call)
        if known and (known.callback_id or (why is WhyEnded.HUNG_UP and known.why not in (None, WhyEnded.LOST, why))):
            return
        id = await calls.end(unit, known, key=call, department=department, phone=phone, step=step, why=why)
        if patient:
            sealed = self._vault.seal(patient.value, calls.PATIENT_NUMBER, id)
            await calls.add_patient(unit, id, patient, sealed, self._vault.index(patient.value))

    async def _patient_of(self, unit: Unit, known: RecordedCall | None) -> IdentityNumber | None:
        """Return the identity number that was keyed earlier in the same call."""
        if known is None or known.patient_kind is None:
            return None
        sealed = await calls.sealed_patient(unit, known.id)
        if sealed is None:
            return None
        return IdentityNumber(self._vault.open(sealed[0], calls.PATIENT_NUMBER, known.id), sealed[1])
