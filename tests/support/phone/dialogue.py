"""The surroundings of a conversation under test: a caller, a department and a desk that records its calls."""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import time
from typing import Any

from desk.access.actor import Actor
from desk.callbacks.model import Callback, CallKey, IncompleteStep, RegistrationResult, WhyEnded
from desk.callbacks.repeat_callers import Standing
from desk.departments.departments import Department, Policy
from desk.errors import DeskError
from desk.inquiries.model import ClosedReason, Priority, Status
from desk.numbers.identity_number import IdentityNumber, parse_identity
from desk.numbers.phone_number import PhoneNumber, parse_phone
from desk.promises.rules import promise_for, spoken_text
from desk.settings.settings import Settings
from ivr.calls.call import Call, CallerHungUp
from ivr.calls.recording import RecordingOutcome
from ivr.dialogue.caller import request_callback
from ivr.prompts.keys import all_keys
from ivr.rehearsal.line import FakeChannel
from tests.support.fakes import FakeClock
from tests.support.synthetic import synthetic_identity

IDENTITY = synthetic_identity(1)
WRONG_IDENTITY = IDENTITY[:-1] + str((int(IDENTITY[-1]) + 1) % 10)
OWN_NUMBER = "+4768050123"
OTHER_NUMBER = "68059876"
COMMIT_SECONDS = 2.5

KIRURGI = Department(
    slug="kirurgi",
    name="Kirurgisk poliklinikk",
    extension="1000",
    policy=Policy.DEADLINE,
    hospital_number=parse_phone("+4768050001"),
    cutoff=time(14),
    answer_by=time(15),
)

# The prompts for the numbers above.
OPENING = ["welcome", "emergency", "ask_identity"]
OWN_DIGITS = ["digit_6", "digit_8", "pause", "digit_0", "digit_5", "pause", "digit_0", "digit_1", "pause"]
OWN_DIGITS += ["digit_2", "digit_3"]
OTHER_DIGITS = ["digit_6", "digit_8", "pause", "digit_0", "digit_5", "pause", "digit_9", "digit_8", "pause"]
OTHER_DIGITS += ["digit_7", "digit_6"]
HOSPITAL = ["digit_6", "digit_8", "pause", "digit_0", "digit_5", "pause", "digit_0", "digit_0", "pause"]
HOSPITAL += ["digit_0", "digit_1"]
FROM_HOSPITAL = ["pause", "from_number", "pause", *HOSPITAL, "pause"]
TODAY_BY_15 = ["we_ring", "today_by", "oclock_15", *FROM_HOSPITAL]


def receipt_with(digits: list[str]) -> list[str]:
    """The receipt, without the offer after it, for a callback to the number with these digits."""
    return ["received", "ring_number", "pause", *digits, "pause", "today_by", "oclock_15", *FROM_HOSPITAL]


RECEIPT = [*receipt_with(OWN_DIGITS), "change_number"]
RECEIPT_OTHER = [*receipt_with(OTHER_DIGITS), "change_number"]
CHANGED = ["ring_number", "pause", *OTHER_DIGITS, "pause", "may_hang_up"]
CONFIRMING = {"received", "already_on_list", "we_ring", "we_ring_as_told", "delayed", "declined"}


@dataclass
class FakeDesk:
    """Registers after COMMIT_SECONDS, or raises `failing` then. `committed_at` is the second it was stored."""

    clock: FakeClock
    registered: list[tuple[CallKey, str, IdentityNumber | None, PhoneNumber, str]] = field(default_factory=list)
    failing: DeskError | None = None
    open: Callback | None = None
    committed_at: float | None = None
    ended: list[tuple[IncompleteStep, WhyEnded, str | None]] = field(default_factory=list)
    kept_identity: str | None = None
    another: bool = False
    stored_before: RegistrationResult | None = None  # what this call stored before it was recovered

    async def find_registration(self, by: Actor, call: CallKey) -> RegistrationResult | None:
        if self.failing:
            raise self.failing
        self.committed_at = self.stored_before and asyncio.get_running_loop().time()
        return self.stored_before

    async def record_call(
        self,
        by: Actor,
        call: CallKey,
        department: str,
        *,
        phone: PhoneNumber | None,
        step: IncompleteStep,
        why: WhyEnded = WhyEnded.HUNG_UP,
        patient: IdentityNumber | None = None,
    ) -> None:
        if self.failing:
            raise self.failing
        self.kept_identity = patient.value if patient else None
        self.ended.append((step, why, phone.e164 if phone else None))

    async def register(
        self,
        by: Actor,
        call: CallKey,
        department: str,
        patient: IdentityNumber | None,
        phone: PhoneNumber,
        *,
        language: str = "nb",
        another: bool = False,
    ) -> RegistrationResult:
        await asyncio.sleep(COMMIT_SECONDS)
        self.another = another
        if self.failing:
            raise self.failing
        self.registered.append((call, department, patient, phone, language))
        self.committed_at = self.committed_at or asyncio.get_running_loop().time()
        created = self.open is None
        if self.open:
            self.open = replace(self.open, call_count=self.open.call_count + 1, phone=phone)
        else:
            self.open = self.new(phone, patient)
        return RegistrationResult(self.open, created)

    def new(self, phone: PhoneNumber, patient: IdentityNumber | None = None, *, call_count: int = 1) -> Callback:
        now = self.clock.now()
        promise = promise_for(KIRURGI, now)
        return Callback(
            id="0f8fad5b-d9cb-469f-a165-70867728950e",
            department=KIRURGI.slug,
            status=Status.WAITING,
            priority=Priority.NORMAL,
            phone=phone,
            patient_kind=patient.kind if patient else None,
            patient_masked=patient.masked if patient else None,
            promise=promise,
            promise_spoken=spoken_text(promise, KIRURGI, now),
            attempts=(),
            attempts_from=now,
            call_count=call_count,
            language="nb",
            created_at=now,
            claimed_by=None,
            lease_until=None,
            fence=0,
            version=1,
            closed_reason=None,
            note=None,
        )


@dataclass
class FakeCallers:
    """Joins the call to `standing`, if there is one, and records what the caller requests."""

    desk: FakeDesk
    standing: Standing | None = None
    asked: list[tuple[str | None, str | None, str]] = field(default_factory=list)
    cancelled: int = 0
    doubted: int = 0
    changed_to: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    failing: DeskError | None = None

    async def rang_again(
        self,
        by: Actor,
        call: CallKey,
        department: str,
        patient: IdentityNumber | None,
        phone: PhoneNumber | None,
        *,
        language: str = "nb",
    ) -> Standing | None:
        self.asked.append((patient.value if patient else None, phone.e164 if phone else None, language))
        self.desk.committed_at = self.standing and asyncio.get_running_loop().time()
        return self.standing

    async def cancel(self, by: Actor, call: CallKey) -> Callback:
        if self.failing:
            raise self.failing
        assert self.standing
        self.cancelled += 1
        reason = ClosedReason.CANCELLED_BY_CALLER
        return replace(self.standing.callback, status=Status.CLOSED, closed_reason=reason)

    async def add_phone(self, by: Actor, call: CallKey, phone: PhoneNumber) -> Callback:
        if self.failing:
            raise self.failing
        assert self.standing
        self.added.append(phone.e164)
        return replace(self.standing.callback, added_phone=phone.e164)

    async def doubt_identity(self, by: Actor, call: CallKey) -> None:
        if self.failing:
            raise self.failing
        self.doubted += 1

    async def change_phone(self, by: Actor, call: CallKey, phone: PhoneNumber) -> Callback:
        if self.failing:
            raise self.failing
        callback = self.standing.callback if self.standing else self.desk.open
        assert callback
        self.changed_to.append(phone.e164)
        return replace(callback, phone=phone)

    def already(self, **changes: Any) -> None:
        """Put the caller on the list now, identified, with two callers ahead. `changes` override this."""
        patient = parse_identity(IDENTITY, allow_test=True, allow_h=False)
        callback = self.desk.new(parse_phone(OWN_NUMBER), patient, call_count=2)
        standing = Standing(callback, known_person=True, ahead=2, tried_in_vain=False, late=False, is_new_call=True)
        self.standing = replace(standing, **changes)


class FakeRecorder:
    """Gives the outcome `fate` for every recording, a tenth of a second after it has ended."""

    def __init__(self) -> None:
        self.fate = RecordingOutcome.STORED
        self.expected: list[str] = []

    def name_of(self, callback_id: str) -> str:
        return f"innringing-{callback_id}"

    @contextmanager
    def expecting(self, callback_id: str) -> Iterator[Awaitable[RecordingOutcome]]:
        self.expected.append(callback_id)
        fate = asyncio.sleep(0.1, self.fate)
        try:
            yield fate
        finally:
            fate.close()


class World:
    """A call to one department. Script `caller`, then `await ring()`; the result is in `prompts`, `stored` and `call`.

    Every prompt lasts one second. Time starts at Tuesday 09:00 in Oslo.
    """

    def __init__(
        self,
        *,
        number: str | None = OWN_NUMBER,
        withheld: bool = False,
        department: Department = KIRURGI,
        environment: str = "demo",
        **settings: bool,
    ) -> None:
        self.clock = FakeClock()
        self.desk = FakeDesk(self.clock)
        self.callers = FakeCallers(self.desk)
        self.caller = FakeChannel()
        self.recorder = FakeRecorder()
        self.department = department
        self.settings = Settings.read(environment=environment, **settings)
        self.call: Call = self.caller.call(department=department.slug, number=number, withheld=withheld)
        self.own_numbers: frozenset[PhoneNumber] = frozenset()
        self.hung_up = False

    async def ring(self) -> None:
        """Run the conversation to its end, and check what holds for every conversation."""
        try:
            await request_callback(
                self.call,
                self.desk,
                self.department,
                callers=self.callers,  # type: ignore[arg-type]
                numbers=self.settings.numbers,
                own_numbers=self.own_numbers,
                clock=self.clock,  # type: ignore[arg-type]
                recorder=self.recorder,
            )
        except CallerHungUp:
            self.hung_up = True
        assert set(self.prompts) <= all_keys()
        said = [second for second, prompt in self.caller.heard if prompt in CONFIRMING]
        assert not said or (self.desk.committed_at is not None and min(said) >= self.desk.committed_at)

    @property
    def prompts(self) -> list[str]:
        return self.caller.prompts

    @property
    def stored(self) -> tuple[str | None, str] | None:
        """(identity number, phone) of the registration; None when nothing was registered."""
        if not self.desk.registered:
            return None
        ((_, department, patient, phone, _),) = self.desk.registered
        assert department == self.department.slug
        return patient.value if patient else None, phone.e164
