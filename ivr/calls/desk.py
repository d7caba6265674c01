"""What a call needs of the desk: to leave a trace, and to register its caller."""

from collections.abc import Collection
from typing import Protocol

from desk.access.actor import Actor
from desk.callbacks.model import CallKey, IncompleteStep, RegistrationResult, WhyEnded
from desk.database.unit_of_work import Unit
from desk.numbers.identity_number import IdentityNumber
from desk.numbers.phone_number import PhoneNumber


class CallDesk(Protocol):
    """The part of `desk.callbacks.registration.Registration` that calls use. Every method may raise a DeskError."""

    async def record_arrival(
        self, by: Actor | Unit, /, call: CallKey, department: str, *, phone: PhoneNumber | None
    ) -> None: ...

    async def end_lost_calls(self, by: Actor | Unit, /, asterisk_id: str, *, excluding: Collection[str]) -> int: ...

    async def record_call(
        self,
        by: Actor | Unit,
        /,
        call: CallKey,
        department: str,
        *,
        phone: PhoneNumber | None,
        step: IncompleteStep,
        why: WhyEnded = WhyEnded.HUNG_UP,
    ) -> None: ...

    async def register(
        self,
        by: Actor | Unit,
        /,
        call: CallKey,
        department: str,
        patient: IdentityNumber | None,
        phone: PhoneNumber,
        *,
        language: str = "nb",
    ) -> RegistrationResult: ...
