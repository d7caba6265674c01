"""Every promise respects closures and capacity: transfers, agents, attempts, reopening, booking."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from desk.access.actor import CALLER
from desk.callbacks.edits import CallbackEdits
from desk.callbacks.model import AttemptOutcome, Callback
from desk.callbacks.services import CallbackServices, callback_services
from desk.database.engine import Database
from desk.departments.departments import Departments
from desk.inquiries.model import ClosedReason, Status
from desk.promises.errors import PromiseNotPossible
from desk.promises.model import DelayReason
from desk.vault.vault import Vault
from tests.support.desk.desk import DEPARTMENTS, KEYS, as_agent, call, person, phone
from tests.support.fakes import FakeClock

HOUR = timedelta(hours=1)
DAY = 24 * HOUR
TEN, THIRTEEN = datetime(2026, 11, 24, 9, tzinfo=UTC), datetime(2026, 11, 24, 12, tzinfo=UTC)  # rounds, in UTC
MIDNIGHT = datetime(2026, 11, 24, 23, tzinfo=UTC)


@dataclass
class Office:
    """A department with two places in a round or day, at nine on a Tuesday, and the ways to create callbacks in it."""

    desk: CallbackServices
    edits: CallbackEdits
    clock: FakeClock
    rung: int = 0

    async def rings(self, department: str = "hjerte") -> Callback:
        self.rung += 1
        n = self.rung
        return (await self.desk.registration.register(CALLER, call(n), department, person(n), phone(n))).callback

    async def fills(self, department: str, places: int) -> None:
        for _ in range(places):
            await self.rings(department)

    async def closes(self, department: str, from_: datetime, until: datetime) -> None:
        await self.desk.closures.close_queue(as_agent("lise"), department, from_=from_, until=until)


@pytest.fixture
def office(database: Database, clock: FakeClock) -> Office:
    departments = Departments(replace(each, capacity=2) for each in DEPARTMENTS.all())
    vault = Vault(**KEYS)
    desk = callback_services(database=database, departments=lambda: departments, vault=vault, clock=clock)
    return Office(desk, desk.edits, clock)


async def booked(office: Office) -> Callback:
    made = await office.edits.book(as_agent("kari"), "hjerte", person(90), phone(90))
    assert made.later is not None
    return made.callback


async def transferred(office: Office) -> Callback:
    callback = await office.rings("kirurgi")
    sent = await office.edits.transfer(as_agent("kari"), callback.id, "hjerte", keep_promise=False, fence=None)
    assert not sent.promise_kept
    return sent.callback


async def reopened(office: Office) -> Callback:
    closed = await office.desk.registration.register(CALLER, call(91), "hjerte", person(91), phone(91))
    await office.desk.outcomes.close(as_agent("kari"), closed.callback.id, ClosedReason.CANCELLED_BY_CALLER, fence=None)
    return await office.desk.outcomes.reopen(as_agent("kari"), closed.callback.id)


async def with_new_promise(office: Office) -> Callback:
    callback = await office.rings("hjerte")
    given = await office.edits.promise_again(as_agent("kari"), callback.id, by=None, fence=None, sms=False)
    return given.callback


WAYS = [booked, transferred, reopened, with_new_promise]
Way = Callable[[Office], Awaitable[Callback]]


@pytest.mark.parametrize("way", WAYS)
async def test_next_workday_is_promised_when_closed_for_the_day(office: Office, way: Way) -> None:
    await office.closes("hjerte", office.clock.now(), MIDNIGHT)
    callback = await way(office)
    assert (callback.promise.by, callback.promise_spoken) == (TEN + DAY, "i morgen klokken 10")


@pytest.mark.parametrize("way", WAYS)
async def test_full_rounds_are_skipped(office: Office, way: Way) -> None:
    await office.fills("hjerte", 4)
    callback = await way(office)
    assert callback.promise.by == TEN + DAY


@pytest.mark.parametrize("way", WAYS)
async def test_closure_after_a_full_round_is_skipped_too(office: Office, way: Way) -> None:
    await office.fills("hjerte", 2)
    await office.closes("hjerte", THIRTEEN, THIRTEEN + HOUR)
    callback = await way(office)
    assert callback.promise.by == TEN + DAY


async def tried(office: Office, callback: Callback) -> Callback:
    (claimed,) = [await office.desk.claiming.claim_named(as_agent("kari"), callback.id)]
    return await office.desk.outcomes.record_attempt(
        as_agent("kari"), claimed.id, claimed.fence, AttemptOutcome.NO_ANSWER
    )


async def test_unanswered_attempt_skips_a_closed_round(office: Office) -> None:
    callback = await office.rings()
    office.clock.set(TEN + timedelta(minutes=2))
    await office.closes("hjerte", THIRTEEN - HOUR, MIDNIGHT)
    after = await tried(office, callback)
    assert (after.status, after.promise.by) == (Status.WAITING, TEN + DAY)


async def test_unanswered_attempt_skips_a_full_round(office: Office) -> None:
    callback = await office.rings()
    office.clock.set(TEN + timedelta(minutes=2))
    await office.fills("hjerte", 2)
    assert (await tried(office, callback)).promise.by == TEN + DAY


async def test_unanswered_attempt_skips_a_closed_afternoon_under_a_deadline(office: Office) -> None:
    callback = await office.rings("kirurgi")
    office.clock.set(TEN)
    await office.closes("kirurgi", TEN + HOUR, TEN + 3 * HOUR)
    after = await tried(office, callback)  # two hours on it is closed: from one o'clock, today still
    assert (after.promise.from_, after.promise.by) == (TEN + 3 * HOUR, TEN + 5 * HOUR)
    await office.closes("kirurgi", TEN + HOUR, MIDNIGHT)
    other = await office.rings("kirurgi")
    office.clock.set(TEN + timedelta(minutes=1))
    assert (await tried(office, other)).promise.from_ == TEN - 2 * HOUR + DAY


async def test_early_attempt_keeps_the_promise_even_when_closed_since(office: Office) -> None:
    callback = await office.rings()
    await office.closes("hjerte", TEN, THIRTEEN + HOUR)
    after = await tried(office, callback)
    assert (after.promise, after.attempts[0].counted) == (callback.promise, False)


async def test_repeat_call_after_a_broken_promise_gets_an_open_one(office: Office) -> None:
    callback = await office.rings()
    office.clock.set(TEN + 2 * HOUR)
    await office.closes("hjerte", THIRTEEN - timedelta(minutes=5), MIDNIGHT)
    again = await office.desk.registration.register(CALLER, call(77), "hjerte", person(1), phone(1))
    assert (again.callback.id, again.callback.promise.by) == (callback.id, TEN + DAY)


async def test_transfer_does_not_keep_a_promise_in_a_closed_time(office: Office) -> None:
    callback = await office.rings()
    await office.closes("kirurgi", TEN, THIRTEEN)
    sent = await office.edits.transfer(as_agent("kari"), callback.id, "kirurgi", keep_promise=True, fence=None)
    assert not sent.promise_kept
    assert sent.callback.promise.from_ == office.clock.now()


async def test_transfer_keeps_a_promise_even_when_the_round_is_full(office: Office) -> None:
    await office.fills("hjerte", 2)
    other = await office.rings("kirurgi")
    kept = await office.edits.transfer(as_agent("kari"), other.id, "hjerte", keep_promise=True, fence=None)
    assert (kept.promise_kept, kept.callback.promise) == (True, other.promise)


async def test_agent_cannot_promise_a_closed_or_full_time(office: Office) -> None:
    mine = await office.rings()
    await office.fills("hjerte", 2)  # one more at ten, one at one o'clock
    await office.closes("hjerte", TEN + DAY, TEN + DAY + HOUR)
    for by, why in ((TEN + DAY, "closed"), (TEN, "full")):
        other = await office.rings()
        with pytest.raises(PromiseNotPossible, match=why):
            await office.edits.promise_again(as_agent("kari"), other.id, by=by, fence=None, sms=False)
    own = await office.edits.promise_again(as_agent("kari"), mine.id, by=TEN, fence=None, sms=False)
    assert own.callback.promise.by == TEN  # its own place is its own


async def test_booking_while_closed_returns_the_promise_with_the_reason(office: Office) -> None:
    await office.desk.closures.close_queue(
        as_agent("lise"), "kirurgi", from_=office.clock.now(), until=MIDNIGHT, text=DelayReason.CLOSED_ILLNESS
    )
    made = await office.edits.book(as_agent("kari"), "kirurgi", None, phone(5))
    assert (made.later, made.callback.promise_spoken) == (DelayReason.CLOSED_ILLNESS, "i morgen innen klokken 15")
