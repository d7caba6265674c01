"""Calls that came in while the database was away: their form in the spool, and how they reach the database."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from desk.access.actor import CALLER
from desk.callbacks import calls_repository as calls
from desk.callbacks import floods, transitions
from desk.callbacks import repository as rows
from desk.callbacks.model import Callback, CallKey, IncompleteStep, WhyEnded
from desk.callbacks.registration import Registration
from desk.callbacks.service import CallbackService
from desk.database.unit_of_work import Unit, unit_of_work
from desk.departments.departments import Department, Policy
from desk.inquiries import transitions as inquiries
from desk.inquiries.availability import heard_promise
from desk.numbers.identity_number import IdentityKind, IdentityNumber
from desk.numbers.phone_number import PhoneNumber
from desk.promises.model import Promise, PromiseReason
from desk.spool.drainer import Store
from desk.spool.spool import SpoolEntry

REGISTRATION: Final = "registration"
ARRIVAL: Final = "arrival"
ENDING: Final = "ending"
DOUBT: Final = "doubt"

Data = Mapping[str, Any]


def arrival_data(call: CallKey, department: str, phone: PhoneNumber | None, prompts: str | None = None) -> Data:
    """Describe a call that came in."""
    key = [call.asterisk_id, call.channel_id]
    return {"call": key, "department": department, "phone": _phone_data(phone), "prompts": prompts}


def ending_data(arrival: Data, step: IncompleteStep, why: WhyEnded, patient: IdentityNumber | None) -> Data:
    """Describe a call that ended before anything was registered."""
    return {**arrival, "step": step.value, "why": why.value, "patient": _patient_data(patient)}


def registration_data(arrival: Data, patient: IdentityNumber | None, language: str, promise: Promise) -> Data:
    """Describe a caller who is to be called back. `promise` is what the caller heard."""
    return {
        **arrival,
        "patient": _patient_data(patient),
        "language": language,
        "promise": [promise.policy.value, promise.from_.isoformat(), promise.by.isoformat()],
    }


def doubt_data(call: CallKey) -> Data:
    """Describe a call whose identity number turned out to be doubtful after it was stored."""
    return {"call": [call.asterisk_id, call.channel_id]}


def spooled_registration(data: Data) -> tuple[str, IdentityNumber | None, PhoneNumber, str, Promise]:
    """Read a spooled registration: department, patient, phone, language, and the promise that was heard."""
    _, department, phone = _call(data)
    if phone is None:
        raise ValueError("no one is registered without a number")
    return department, _patient(data["patient"]), phone, str(data["language"]), _promise(data["promise"])


class SpooledCalls(CallbackService):
    """Stores spooled calls, as of the moment they happened. Storing one again changes nothing."""

    def __init__(self, *, registration: Registration, **services: Any) -> None:
        """`services` are those of CallbackService."""
        super().__init__(**services)
        self._registration = registration

    def stores(self) -> dict[str, Store]:
        """The function that stores each kind of entry."""
        return {REGISTRATION: self._register, ARRIVAL: self._arrive, ENDING: self._end, DOUBT: self._doubt}

    async def _register(self, entry: SpoolEntry) -> None:
        await self.register(CALLER, entry.at, entry.data)

    async def _arrive(self, entry: SpoolEntry) -> None:
        await self.arrive(CALLER, entry.at, entry.data)

    async def _end(self, entry: SpoolEntry) -> None:
        await self.end(CALLER, entry.at, entry.data)

    async def _doubt(self, entry: SpoolEntry) -> None:
        await self.doubt(CALLER, entry.at, entry.data)

    @unit_of_work
    async def doubt(self, unit: Unit, at: datetime, data: Data) -> None:
        """Mark the identity number of a call as doubtful. Its callback is stored already, if there is one."""
        known = await calls.find(unit, _key(data))
        if known and known.callback_id:
            callback = await rows.locked(unit, known.callback_id)
            if callback.patient_kind and not callback.identity_doubtful:
                await transitions.doubt_identity(unit.at(at), callback)

    @unit_of_work
    async def arrive(self, unit: Unit, at: datetime, data: Data) -> None:
        """Record a call that came in at `at`."""
        call, department, phone = _call(data)
        prompts = data["prompts"]
        await self._registration.record_arrival(unit.at(at), call, department, phone=phone, prompts=prompts)

    @unit_of_work
    async def end(self, unit: Unit, at: datetime, data: Data) -> None:
        """Record an incomplete call that ended at `at`."""
        call, department, phone = _call(data)
        step, why = IncompleteStep(data["step"]), WhyEnded(data["why"])
        patient = _patient(data["patient"])
        record = self._registration.record_call
        await record(unit.at(at), call, department, phone=phone, step=step, why=why, patient=patient)

    @unit_of_work
    async def register(self, unit: Unit, at: datetime, data: Data) -> Callback:
        """Register a caller who has heard a promise at `at`. The promise stands, also where it is full by now.

        A caller who had an open callback all along joins it, and an earlier promise of its own stands.
        """
        unit = unit.at(at)
        call, _, _ = _call(data)
        department, patient, phone, language, heard = spooled_registration(data)
        rules = self._departments().get(department)
        known = await calls.find(unit, call)
        if known and known.callback_id:  # the database was late, not away
            return await self._keep_promise(unit, rules, await rows.locked(unit, known.callback_id), heard)
        own = phone if known and known.phone == phone else None
        before = await self._open_before(unit, department, patient, phone, own)
        leading = partial(calls.leading_to, unit, known=known, key=call, department=department, phone=phone)
        if before is None:
            offer = heard_promise(heard)
            indexes = self._vault.indexes(patient.value) if patient else None
            first_time, suspected = await floods.signs(unit, rules, indexes, phone)
            callback = await transitions.add_callback(
                unit,
                rules,
                self._vault,
                patient,
                phone,
                language,
                offer,
                first_time=first_time,
                suspected=suspected,
                beside=leading,
            )
        else:
            named = {}
            if patient and before.patient_index is None:
                named = transitions.patient_columns(self._vault, patient, before)
            more = {"other_phone": phone != before.phone}
            callback = await transitions.rang_again(
                unit, rules, before, before.phone, language, changed=named, more=more, patient=patient
            )
            callback = await self._keep_promise(unit, rules, callback, heard)
            await unit.connection.execute(leading(callback.id))
        if before is None:
            callback = callback.with_sms(await self._notices.receipt(unit, rules, callback.recipient))
        elif phone != before.phone:
            callback = await transitions.add_phone(unit, callback, phone)
            await self._notices.number_added(unit, rules, callback.recipient)
        return callback

    async def _open_before(
        self, unit: Unit, department: str, patient: IdentityNumber | None, phone: PhoneNumber, own: PhoneNumber | None
    ) -> Callback | None:
        """Find the caller's open callback. Without an identity number it may be a person's only by the `own` phone."""
        indexes = self._vault.indexes(patient.value) if patient else None
        found = await rows.find_open_of_caller(unit, department, indexes, phone if patient else own)
        return found or await rows.find_open(unit, department, indexes, phone)

    async def _keep_promise(self, unit: Unit, rules: Department, callback: Callback, heard: Promise) -> Callback:
        """Give the callback the promise that the caller heard, if it is the earlier one."""
        if heard.by >= callback.promise.by:
            return callback
        offer = heard_promise(heard)
        changes = await inquiries.renew_promise(unit, rules, callback, PromiseReason.RANG_AGAIN, offer)
        return await inquiries.transition(unit, callback, "promised_anew", details={"sms": False}, **changes)


def _patient_data(patient: IdentityNumber | None) -> list[Any] | None:
    return [patient.value, patient.kind.value, patient.doubtful] if patient else None


def _phone_data(phone: PhoneNumber | None) -> list[Any] | None:
    return [phone.e164, phone.mobile] if phone else None


def _key(data: Data) -> CallKey:
    asterisk_id, channel_id = data["call"]
    return CallKey(str(asterisk_id), str(channel_id))


def _call(data: Data) -> tuple[CallKey, str, PhoneNumber | None]:
    phone = data["phone"]
    return (
        _key(data),
        str(data["department"]),
        PhoneNumber(str(phone[0]), bool(phone[1])) if phone else None,
    )


def _patient(data: Any) -> IdentityNumber | None:
    return IdentityNumber(str(data[0]), IdentityKind(data[1]), doubtful=bool(data[2])) if data else None


def _promise(data: Any) -> Promise:
    policy, from_, by = data
    return Promise(Policy(policy), datetime.fromisoformat(from_), datetime.fromisoformat(by))
