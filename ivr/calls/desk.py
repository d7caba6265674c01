"""What a call needs of the desk: to leave a trace, to register its caller, and to change what was registered."""

from collections.abc import Collection
from typing import Protocol

from desk.access.actor import Actor
from desk.callbacks.model import Callback, CallKey, IncompleteStep, RegistrationResult, WhyEnded
from desk.callbacks.repeat_callers import Standing
from desk.numbers.identity_number import IdentityNumber
from desk.numbers.phone_number import PhoneNumber


class CallDesk(Protocol):
    """The part of `desk.callbacks.reception.Reception` that every call uses. Every method may raise a DeskError."""

    async def record_arrival(
        self, by: Actor, /, call: CallKey, department: str, *, phone: PhoneNumber | None, prompts: str | None = None
    ) -> None: ...

    async def end_lost_calls(self, by: Actor, /, asterisk_id: str, *, excluding: Collection[str]) -> int: ...

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
    ) -> None: ...

    async def find_registration(self, by: Actor, /, call: CallKey) -> RegistrationResult | None: ...

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
    ) -> RegistrationResult: ...


class RepeatCallerDesk(Protocol):
    """The part of `Reception` for callers who have an open callback. Every method may raise a DeskError."""

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
    ) -> Standing | None: ...

    async def cancel(self, by: Actor, /, call: CallKey) -> Callback: ...

    async def add_phone(self, by: Actor, /, call: CallKey, phone: PhoneNumber) -> Callback: ...

    async def doubt_identity(self, by: Actor, /, call: CallKey) -> None: ...

    async def change_phone(self, by: Actor, /, call: CallKey, phone: PhoneNumber) -> Callback: ...
