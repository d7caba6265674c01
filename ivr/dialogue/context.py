"""What the steps of one conversation share."""

from dataclasses import dataclass
from typing import Final

from desk.clock import Clock
from desk.departments.departments import Department
from desk.numbers.errors import InvalidPhone
from desk.numbers.phone_number import PhoneNumber
from ivr.calls.call import Call
from ivr.calls.desk import CallDesk, RepeatCallerDesk
from ivr.dialogue.phone import own_number
from ivr.dialogue.steps import Patience

OFFER: Final = Patience(first=6, between=6)
"""How long an offer after the receipt waits: «tast én. Ellers kan du legge på.»"""


@dataclass(frozen=True)
class CallContext:
    """One call, its department, and the desk it is registered at."""

    call: Call
    department: Department
    registration: CallDesk
    callers: RepeatCallerDesk
    clock: Clock

    @property
    def own_number(self) -> PhoneNumber | None:
        """The number the caller calls from, if we can call it."""
        try:
            return own_number(self.call)
        except InvalidPhone:
            return None
