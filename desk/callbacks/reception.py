"""How calls reach the desk: the database within two seconds, else the spool. Only then is a receipt true."""

from collections.abc import Callable, Collection, Coroutine
from datetime import datetime
from typing import Any, Final, TypeVar

import structlog

from desk.access.actor import Actor
from desk.callbacks.errors import CallbackNotFound
from desk.callbacks.model import Callback, CallKey, IncompleteStep, RegistrationResult, WhyEnded, new_callback
from desk.callbacks.registration import Registration
from desk.callbacks.repeat_callers import RepeatCallers, Standing
from desk.callbacks.spooled_calls import (
    ARRIVAL,
    DOUBT,
    ENDING,
    REGISTRATION,
    arrival_data,
    doubt_data,
    ending_data,
    registration_data,
    spooled_registration,
)
from desk.clock import Clock
from desk.database.deadline import within
from desk.database.errors import StorageUnavailable
from desk.departments.departments import Departments
from desk.numbers.identity_number import IdentityNumber
from desk.numbers.phone_number import PhoneNumber
from desk.promises.model import Promise
from desk.promises.rules import promise_for, spoken_text
from desk.spool.errors import DamagedEntry
from desk.spool.spool import Spool

log = structlog.get_logger(__name__)

STORE_SECONDS: Final = 2.0
"""How long a caller waits for the database, with all queues for it."""

T = TypeVar("T")


class Reception:
    """Registers callers and records calls, also while the database is full, locked, slow or gone."""

    def __init__(
        self,
        *,
        registration: Registration,
        repeat_callers: RepeatCallers,
        spool: Spool,
        departments: Callable[[], Departments],
        clock: Clock,
        is_ready: Callable[[], bool] = lambda: True,
        seconds: float = STORE_SECONDS,
    ) -> None:
        """`is_ready`: whether the database may be used yet: its tables and keys are checked."""
        self._registration = registration
        self._repeat_callers = repeat_callers
        self._spool = spool
        self._departments = departments
        self._clock = clock
        self._is_ready = is_ready
        self._seconds = seconds

    async def record_arrival(
        self, by: Actor, /, call: CallKey, department: str, *, phone: PhoneNumber | None, prompts: str | None = None
    ) -> None:
        """Record that a call came in, and which version of the prompts it hears. Raises SpoolUnavailable."""
        at = self._clock.now()
        try:
            await self._in_database(
                self._registration.record_arrival(by, call, department, phone=phone, prompts=prompts)
            )
        except StorageUnavailable:
            await self._spool.add(ARRIVAL, at, arrival_data(call, department, phone, prompts))

    async def end_lost_calls(self, by: Actor, /, asterisk_id: str, *, excluding: Collection[str]) -> int:
        """Record the end of lost calls. Raises StorageUnavailable."""
        return await self._in_database(self._registration.end_lost_calls(by, asterisk_id, excluding=excluding))

    async def record_call(
        self,
        by: Actor,
        /,
        call: CallKey,
        department: str,
        *,
        phone: PhoneNumber | None,
        step: IncompleteStep,
        why: WhyEnded = WhyEnded.HUNG_UP,
        patient: IdentityNumber | None = None,
    ) -> None:
        """Record a call that ended before anything was registered. Raises SpoolUnavailable."""
        at = self._clock.now()
        record = self._registration.record_call(by, call, department, phone=phone, step=step, why=why, patient=patient)
        try:
            await self._in_database(record)
        except StorageUnavailable:
            await self._spool.add(ENDING, at, ending_data(arrival_data(call, department, phone), step, why, patient))

    async def rang_again(
        self,
        by: Actor,
        /,
        call: CallKey,
        department: str,
        patient: IdentityNumber | None,
        phone: PhoneNumber | None,
        *,
        language: str = "nb",
    ) -> Standing | None:
        """Join the call to the caller's open callback. None if there is none, or if that is not known now."""
        try:
            return await self._in_database(
                self._repeat_callers.rang_again(by, call, department, patient, phone, language=language)
            )
        except StorageUnavailable:
            return None

    async def cancel(self, by: Actor, /, call: CallKey) -> Callback:
        """Close the caller's callback. Raises StorageUnavailable, and as RepeatCallers does."""
        return await self._in_database(self._repeat_callers.cancel(by, call))

    async def change_phone(self, by: Actor, /, call: CallKey, phone: PhoneNumber) -> Callback:
        """Change the number of the caller's callback. Raises StorageUnavailable, and as RepeatCallers does."""
        return await self._in_database(self._repeat_callers.change_phone(by, call, phone))

    async def add_phone(self, by: Actor, /, call: CallKey, phone: PhoneNumber) -> Callback:
        """Add a number given from another phone. Raises StorageUnavailable, and as RepeatCallers does."""
        return await self._in_database(self._repeat_callers.add_phone(by, call, phone))

    async def doubt_identity(self, by: Actor, /, call: CallKey) -> None:
        """Mark the identity number that this call has keyed as doubtful. Raises SpoolUnavailable."""
        at = self._clock.now()
        try:
            await self._in_database(self._repeat_callers.doubt_identity(by, call))
        except (StorageUnavailable, CallbackNotFound):  # not found: the callback is in the spool itself
            await self._spool.add(DOUBT, at, doubt_data(call))

    async def find_registration(self, by: Actor, /, call: CallKey) -> RegistrationResult | None:
        """Return what this call has stored, in the database or in the spool. Raises SpoolUnavailable."""
        try:
            found = await self._in_database(self._registration.find_registration(by, call))
        except StorageUnavailable:
            found = None
        return found or await self._spooled(call)

    async def register(
        self,
        by: Actor,
        /,
        call: CallKey,
        department: str,
        patient: IdentityNumber | None,
        phone: PhoneNumber,
        *,
        language: str = "nb",
        another: bool = False,
    ) -> RegistrationResult:
        """Store that this caller is to be called back. Once it returns, that is on disk.

        `another` needs the database, which knows the other person. The spool knows neither closures nor how many were
        promised each time, so a promise made with it follows the department's hours alone. Raises DepartmentNotFound,
        SpoolUnavailable, and StorageUnavailable with `another`.
        """
        at = self._clock.now()
        store = self._registration.register(by, call, department, patient, phone, language=language, another=another)
        try:
            return await self._in_database(store)
        except StorageUnavailable:
            if another:
                raise
        promise = promise_for(self._departments().get(department), at)
        data = registration_data(arrival_data(call, department, phone), patient, language, promise)
        await self._spool.add(REGISTRATION, at, data)
        log.warning("Stored a callback in the spool", department=department)
        callback = self._new(department, patient, phone, language, promise, at=at)
        return RegistrationResult(callback, created=True, spooled=True)

    def _new(
        self,
        department: str,
        patient: IdentityNumber | None,
        phone: PhoneNumber,
        language: str,
        promise: Promise,
        *,
        at: datetime,
    ) -> Callback:
        spoken = spoken_text(promise, self._departments().get(department), at, language)
        return new_callback(department, patient, phone, promise, spoken, language=language, at=at)

    async def _spooled(self, call: CallKey) -> RegistrationResult | None:
        for name in reversed(await self._spool.names()):
            try:
                entry = await self._spool.read(name)
            except DamagedEntry:
                continue  # the drainer reports it
            if entry and entry.kind == REGISTRATION and entry.data["call"] == [call.asterisk_id, call.channel_id]:
                return RegistrationResult(self._new(*spooled_registration(entry.data), at=entry.at), True, spooled=True)
        return None

    async def _in_database(self, use_case: Coroutine[Any, Any, T]) -> T:
        if not self._is_ready():
            use_case.close()
            raise StorageUnavailable
        return await within(self._seconds, use_case)
