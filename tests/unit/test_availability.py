"""Promises that skip closed times, checked by hand; capacity in the departments file."""

import ast
import inspect
from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.callbacks import transitions
from desk.callbacks.model import RegistrationResult
from desk.clock import OSLO
from desk.departments.calendar import is_workday
from desk.departments.departments import Department, Policy
from desk.departments.errors import DepartmentsFileError
from desk.departments.file import load_departments
from desk.numbers.phone_number import parse_phone
from desk.paths import ROOT
from desk.promises.errors import PromiseNotPossible
from desk.promises.model import Availability, DelayReason, PromiseOffer
from desk.promises.rules import after_unanswered, promise_by_hand, promise_for
from ivr.dialogue.speech import LATER, receipt
from ivr.rehearsal.virtual_time import on_virtual_time
from tests.support.phone.dialogue import KIRURGI, OWN_DIGITS, OWN_NUMBER, World, receipt_with
from tests.support.sources import PRODUCT, parsed

HJERTE = replace(KIRURGI, slug="hjerte", policy=Policy.ROUNDS, cutoff=None, answer_by=None, rounds=(time(10), time(13)))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=OSLO)


# Tuesday 24 November 2026 is a workday, and so are the days after it to Friday.
@pytest.mark.parametrize(
    ("department", "now", "closed", "begins", "by"),
    [
        # closed for the day: the next workday, from its opening
        (KIRURGI, "24T09:00", ("24T09:00", "25T00:00"), "25T08:00", "25T15:00"),
        (KIRURGI, "27T09:00", ("27T08:00", "28T00:00"), "30T08:00", "30T15:00"),
        (HJERTE, "24T09:00", ("24T09:00", "25T00:00"), "25T10:00", "25T10:00"),
        # closed later today: earlier callers are called back as usual; a round within the closure is not promised
        (KIRURGI, "24T08:59", ("24T09:00", "25T00:00"), "24T08:59", "24T15:00"),
        (HJERTE, "24T10:30", ("24T12:00", "25T00:00"), "25T10:00", "25T10:00"),
        # open again the same day: from then
        (KIRURGI, "24T09:00", ("24T08:00", "24T11:00"), "24T11:00", "24T15:00"),
        (HJERTE, "24T09:00", ("24T08:00", "24T13:00"), "24T13:00", "24T13:00"),
        # tomorrow is closed: an evening call is promised the day after
        (KIRURGI, "24T18:00", ("25T00:00", "26T00:00"), "26T08:00", "26T15:00"),
        # past or future closures change nothing
        (KIRURGI, "24T09:00", ("24T08:00", "24T09:00"), "24T09:00", "24T15:00"),
        (HJERTE, "24T09:00", ("24T11:00", "24T12:00"), "24T10:00", "24T10:00"),
    ],
)
def test_promises_pass_closed_times(
    department: Department, now: str, closed: tuple[str, str], begins: str, by: str
) -> None:
    from_, until = (at(f"2026-11-{each}") for each in closed)
    promise = promise_for(department, at(f"2026-11-{now}"), Availability([(from_, until)]))
    assert (promise.from_, promise.by) == (at(f"2026-11-{begins}"), at(f"2026-11-{by}"))


MOMENTS = st.datetimes(datetime(2026, 10, 1), datetime(2027, 4, 30)).map(lambda moment: moment.replace(tzinfo=OSLO))


@given(
    now=MOMENTS,
    closed=st.lists(st.tuples(MOMENTS, MOMENTS).map(lambda pair: tuple(sorted(pair))), max_size=4),
    department=st.sampled_from([KIRURGI, HJERTE]),
)
def test_closures_still_allow_a_promise_on_an_open_day(
    now: datetime, closed: list[tuple[datetime, datetime]], department: Department
) -> None:
    promise = promise_for(department, now, Availability(closed))
    assert promise.from_ <= promise.by and promise.by > now
    assert is_workday(department, promise.by.astimezone(OSLO).date())
    assert not any(from_ <= promise.from_ < until for from_, until in closed)


def test_each_reason_has_its_own_prompt() -> None:
    assert set(LATER) == set(DelayReason)
    closures = set(DelayReason) - {DelayReason.QUEUE_FULL}
    assert all(LATER[text].value == text.value for text in closures)


@on_virtual_time
async def test_reason_for_the_delay_comes_between_receipt_and_promise() -> None:
    world = World()
    callback = world.desk.new(parse_phone(OWN_NUMBER))
    registration = RegistrationResult(callback, created=True, later=DelayReason.CLOSED_COURSE)
    said = receipt(registration, KIRURGI, now=callback.created_at)
    assert said == ["received", "closed_course", *receipt_with(OWN_DIGITS)[1:]]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("capacity = 0", "whole number from 1 to 10000"),
        ("capacity = 10001", "whole number from 1 to 10000"),
        ("capacity = true", "whole number from 1 to 10000"),
        ('capacity = "40"', "whole number"),
        ("capasity = 40", "did you mean «capacity»"),
    ],
)
def test_a_faulty_capacity_is_refused_with_its_line(tmp_path: Path, line: str, reason: str) -> None:
    file = tmp_path / "departments.toml"
    text = (ROOT / "dialplan" / "departments.toml").read_text("utf-8")
    file.write_text(text.replace("[kirurgi]\n", f"[kirurgi]\n{line}\n", 1), "utf-8")
    with pytest.raises(DepartmentsFileError, match=reason) as refused:
        load_departments(file)
    assert refused.value.line == text[: text.index("[kirurgi]\n")].count("\n") + 2


def test_capacity_is_read_and_unlimited_by_default(tmp_path: Path) -> None:
    file = tmp_path / "departments.toml"
    text = (ROOT / "dialplan" / "departments.toml").read_text("utf-8")
    file.write_text(text.replace("[kirurgi]\n", "[kirurgi]\ncapacity = 40\n", 1), "utf-8")
    departments = load_departments(file)
    assert [each.capacity for each in departments.all()] == [40, None]


DAYS = st.lists(st.tuples(MOMENTS, MOMENTS).map(lambda pair: tuple(sorted(pair))), max_size=4)


@given(
    first=MOMENTS,
    gaps=st.lists(st.timedeltas(timedelta(0), timedelta(days=3)), min_size=1, max_size=6),
    closed=DAYS,
    capacity=st.sampled_from([None, 1, 3]),
    department=st.sampled_from([KIRURGI, HJERTE]),
    data=st.data(),
)
def test_promises_avoid_closed_times_and_full_rounds(
    first: datetime,
    gaps: list[timedelta],
    closed: list[tuple[datetime, datetime]],
    capacity: int | None,
    department: Department,
    data: st.DataObject,
) -> None:
    """Calls, unanswered attempts and agents' own promises, one after another."""
    rules, room, now = replace(department, capacity=capacity, max_attempts=20), Availability(closed), first
    promise, counted = promise_for(rules, now), list[datetime]()
    for gap in gaps:
        now += gap
        some = st.dictionaries(st.sampled_from([promise.by, promise_for(rules, now).by]), st.integers(0, 3))
        room = Availability(closed, data.draw(some))
        way = data.draw(st.sampled_from(["rings", "unanswered", "by hand"]))
        if way == "rings":
            given = promise_for(rules, now, room)
        elif way == "unanswered":
            step = after_unanswered(rules, promise, counted, now, room)
            counted += [now] if step.counted else []
            given = step.next_promise or promise
        else:
            try:
                given = promise_by_hand(rules, now + timedelta(hours=30), now, room)
            except PromiseNotPossible:
                continue
        if given != promise:
            assert now < given.by and given.from_ <= given.by
            assert is_workday(rules, given.by.astimezone(OSLO).date())
            assert not any(from_ <= given.from_ < until for from_, until in closed)
            assert capacity is None or room.taken.get(given.by, 0) < capacity
        promise = given


def test_only_the_availability_module_offers_promises_while_the_database_answers() -> None:
    """Storing a promise takes a `PromiseOffer`, which only desk/inquiries/availability.py makes. It never forgets
    closed times and capacity. The reception promises by the hours alone when only the spool can be written.
    """
    private = {"promise_for", "promise_by_hand", "after_unanswered", "PromiseOffer"}
    calling = set()
    for file, tree in parsed(*PRODUCT, at_least=250):
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        called = {call.id for call in calls if isinstance(call, ast.Name)}
        called |= {call.attr for call in calls if isinstance(call, ast.Attribute)}
        if called & private:
            calling.add(file)
    assert calling == {"desk/inquiries/availability.py", "desk/promises/rules.py", "desk/callbacks/reception.py"}
    asked = (
        inspect.signature(transitions.renew_promise).parameters["offer"],
        inspect.signature(transitions.add_callback).parameters["offer"],
    )
    assert {each.annotation for each in asked} == {PromiseOffer}
