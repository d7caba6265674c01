"""Promises to callers, to the second, over weekends, Easter, half days, clock changes and New Year."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.clock import OSLO
from desk.departments.calendar import is_workday
from desk.departments.departments import Department, HalfDay, Policy
from desk.numbers.phone_number import parse_phone
from desk.promises.model import NextStep, Promise
from desk.promises.rules import after_unanswered, attempts_note, promise_for, spoken_text

DEADLINE = Department(
    slug="kirurgi",
    name="Kirurgisk poliklinikk",
    extension="1000",
    policy=Policy.DEADLINE,
    hospital_number=parse_phone("68050001"),
    cutoff=time(14),
    answer_by=time(15),
)
ROUNDS = Department(
    slug="hjerte",
    name="Hjertepoliklinikken",
    extension="2000",
    policy=Policy.ROUNDS,
    hospital_number=parse_phone("68050002"),
    rounds=(time(10), time(13)),
)


def oslo(text: str, *, fold: int = 0) -> datetime:
    """Wall time in Oslo, as an instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=OSLO, fold=fold).astimezone(UTC)


def wall(moment: datetime) -> str:
    return moment.astimezone(OSLO).strftime("%a %Y-%m-%d %H:%M")


# Tuesday 24 November 2026 and the days after it: the table of the design, row by row
@pytest.mark.parametrize(
    ("rings", "by_deadline", "by_round"),
    [
        ("2026-11-24T09:00:00", "Tue 2026-11-24 15:00", "Tue 2026-11-24 10:00"),
        ("2026-11-24T10:00:00", "Tue 2026-11-24 15:00", "Tue 2026-11-24 13:00"),
        ("2026-11-24T13:59:59", "Tue 2026-11-24 15:00", "Wed 2026-11-25 10:00"),
        ("2026-11-24T14:00:00", "Wed 2026-11-25 15:00", "Wed 2026-11-25 10:00"),
        ("2026-11-27T14:30:00", "Mon 2026-11-30 15:00", "Mon 2026-11-30 10:00"),
        ("2026-11-29T03:00:00", "Mon 2026-11-30 15:00", "Mon 2026-11-30 10:00"),
        ("2027-03-24T14:30:00", "Tue 2027-03-30 15:00", "Tue 2027-03-30 10:00"),  # Easter
        # and more: a microsecond before, midnight, other holidays, the year's end
        ("2026-11-24T09:59:59.999999", "Tue 2026-11-24 15:00", "Tue 2026-11-24 10:00"),
        ("2026-11-24T13:59:59.999999", "Tue 2026-11-24 15:00", "Wed 2026-11-25 10:00"),
        ("2026-11-24T00:00:00", "Tue 2026-11-24 15:00", "Tue 2026-11-24 10:00"),
        ("2026-11-24T23:59:59", "Wed 2026-11-25 15:00", "Wed 2026-11-25 10:00"),
        ("2027-05-14T14:30:00", "Tue 2027-05-18 15:00", "Tue 2027-05-18 10:00"),  # Whit Monday is 17 May
        ("2027-05-05T14:30:00", "Fri 2027-05-07 15:00", "Fri 2027-05-07 10:00"),  # Ascension Day
        ("2026-12-23T14:30:00", "Thu 2026-12-24 15:00", "Thu 2026-12-24 10:00"),  # no holiday by law
        ("2026-12-24T14:30:00", "Mon 2026-12-28 15:00", "Mon 2026-12-28 10:00"),
        ("2026-12-31T14:30:00", "Mon 2027-01-04 15:00", "Mon 2027-01-04 10:00"),
        ("2026-12-31T23:59:59", "Mon 2027-01-04 15:00", "Mon 2027-01-04 10:00"),
        # both clock changes: the night, the Friday before and the Monday after
        ("2027-03-26T12:00:00", "Tue 2027-03-30 15:00", "Tue 2027-03-30 10:00"),
        ("2027-03-28T01:59:59", "Tue 2027-03-30 15:00", "Tue 2027-03-30 10:00"),
        ("2027-03-28T03:00:00", "Tue 2027-03-30 15:00", "Tue 2027-03-30 10:00"),
        ("2026-10-23T15:00:00", "Mon 2026-10-26 15:00", "Mon 2026-10-26 10:00"),
        ("2026-10-25T02:30:00", "Mon 2026-10-26 15:00", "Mon 2026-10-26 10:00"),
        ("2027-10-31T02:30:00", "Mon 2027-11-01 15:00", "Mon 2027-11-01 10:00"),
        ("2027-11-01T13:59:59", "Mon 2027-11-01 15:00", "Tue 2027-11-02 10:00"),
    ],
)
def test_promise_matches_the_table(rings: str, by_deadline: str, by_round: str) -> None:
    now = oslo(rings)
    assert wall(promise_for(DEADLINE, now).by) == by_deadline
    promise = promise_for(ROUNDS, now)
    assert wall(promise.by) == by_round
    assert promise.from_ == promise.by


def test_wall_time_holds_across_clock_changes() -> None:
    """15:00 in Oslo is 14:00 UTC in winter and 13:00 UTC in summer, also when promised across the change."""
    assert promise_for(DEADLINE, oslo("2026-10-23T15:00")).by == datetime(2026, 10, 26, 14, tzinfo=UTC)
    assert promise_for(DEADLINE, oslo("2026-10-23T10:00")).by == datetime(2026, 10, 23, 13, tzinfo=UTC)
    assert promise_for(DEADLINE, oslo("2027-03-24T15:00")).by == datetime(2027, 3, 30, 13, tzinfo=UTC)
    assert promise_for(DEADLINE, oslo("2027-03-24T10:00")).by == datetime(2027, 3, 24, 14, tzinfo=UTC)


@pytest.mark.parametrize("change", ["2026-10-25", "2027-10-31"])
def test_repeated_hour_of_the_clock_change_counts_as_two(change: str) -> None:
    """A department that calls on a Sunday night; others are closed when the clock changes."""
    first, second = oslo(f"{change}T02:30"), oslo(f"{change}T02:30", fold=1)
    assert second - first == timedelta(hours=1)
    assert promise_for(ROUNDS, first) == promise_for(ROUNDS, second)
    assert promise_for(DEADLINE, first) == promise_for(DEADLINE, second)


def test_window_opens_now_but_not_before_patients_may_be_called() -> None:
    late = replace(DEADLINE, ringing_hours=(time(9, 30), time(16)))
    assert promise_for(DEADLINE, oslo("2026-11-24T09:00")).from_ == oslo("2026-11-24T09:00")
    assert promise_for(late, oslo("2026-11-24T09:00")).from_ == oslo("2026-11-24T09:30")
    night = oslo("2026-11-24T00:30")  # Monday still in UTC
    assert promise_for(DEADLINE, night).from_ == oslo("2026-11-24T08:00")
    assert promise_for(DEADLINE, oslo("2026-11-24T14:00")).from_ == oslo("2026-11-25T08:00")
    assert promise_for(late, oslo("2026-11-24T14:00")).from_ == oslo("2026-11-25T09:30")


def test_a_clock_in_another_zone_gives_the_same_promise() -> None:
    now = datetime(2026, 11, 24, 9, tzinfo=OSLO)
    assert promise_for(DEADLINE, now) == promise_for(DEADLINE, now.astimezone(UTC))
    assert promise_for(DEADLINE, now).from_.tzinfo is UTC


def test_closed_days_are_skipped() -> None:
    tuesday = date(2026, 11, 24)
    for department in (DEADLINE, ROUNDS):
        closed = replace(department, closed_days=frozenset({tuesday, date(2026, 11, 25)}))
        assert not is_workday(closed, tuesday)
        assert is_workday(department, tuesday)
        assert promise_for(closed, oslo("2026-11-24T09:00")).by.astimezone(OSLO).date() == date(2026, 11, 26)


def test_half_days_move_cutoff_deadline_and_rounds() -> None:
    christmas_eve = date(2026, 12, 24)
    deadline = replace(DEADLINE, half_days=MappingProxyType({christmas_eve: HalfDay(time(10), time(11))}))
    rounds = replace(ROUNDS, half_days=MappingProxyType({christmas_eve: HalfDay(rounds=(time(9),))}))
    assert wall(promise_for(deadline, oslo("2026-12-24T09:59:59")).by) == "Thu 2026-12-24 11:00"
    assert wall(promise_for(deadline, oslo("2026-12-24T10:00")).by) == "Mon 2026-12-28 15:00"
    assert wall(promise_for(deadline, oslo("2026-12-23T14:00")).by) == "Thu 2026-12-24 11:00"
    assert wall(promise_for(rounds, oslo("2026-12-24T08:59:59")).by) == "Thu 2026-12-24 09:00"
    assert wall(promise_for(rounds, oslo("2026-12-24T09:00")).by) == "Mon 2026-12-28 10:00"


def test_a_half_day_that_ends_before_eight_is_still_a_window() -> None:
    early = replace(DEADLINE, half_days=MappingProxyType({date(2026, 11, 25): HalfDay(time(6), time(7))}))
    promise = promise_for(early, oslo("2026-11-24T14:00"))
    assert promise.from_ <= promise.by == oslo("2026-11-25T07:00")


def test_a_department_that_answers_before_eight_has_a_next_promise_after_an_attempt() -> None:
    early = replace(DEADLINE, cutoff=time(6), answer_by=time(7), ringing_hours=(time(5), time(16)))
    step = after_unanswered(early, promise_for(early, oslo("2026-11-24T05:00")), [], oslo("2026-11-24T05:30"))
    assert step.next_promise == Promise(Policy.DEADLINE, oslo("2026-11-25T05:00"), oslo("2026-11-25T07:00"))


def test_a_half_day_on_a_holiday_is_closed() -> None:
    half = replace(DEADLINE, half_days=MappingProxyType({date(2026, 12, 25): HalfDay(time(10), time(11))}))
    assert not is_workday(half, date(2026, 12, 25))


instants = st.datetimes(datetime(2026, 1, 1), datetime(2032, 12, 31), timezones=st.just(UTC))
wall_times = st.times().map(lambda at: at.replace(second=0, microsecond=0))


@st.composite
def departments(draw: st.DrawFn) -> Department:
    """Departments of both policies with any hours, some closed and some half days near the instants drawn."""
    days = st.dates(date(2026, 1, 1), date(2032, 12, 31))
    closed = frozenset(draw(st.lists(days, max_size=3)))
    half_day = draw(st.lists(days, max_size=2))
    if draw(st.booleans()):
        rounds = st.lists(wall_times, min_size=1, max_size=4, unique=True).map(lambda times: tuple(sorted(times)))
        half = {day: HalfDay(rounds=draw(rounds)) for day in half_day}
        return replace(ROUNDS, rounds=draw(rounds), closed_days=closed, half_days=half)
    pairs = st.tuples(wall_times, wall_times).map(sorted)
    cutoff, answer_by = draw(pairs)
    half = {day: HalfDay(*draw(pairs)) for day in half_day}
    return replace(DEADLINE, cutoff=cutoff, answer_by=answer_by, closed_days=closed, half_days=half)


@given(departments(), instants)
def test_a_promise_is_never_in_the_past_and_never_on_a_closed_day(department: Department, now: datetime) -> None:
    promise = promise_for(department, now)
    assert promise.by > now
    assert promise.from_ <= promise.by
    assert promise.from_ >= now
    assert is_workday(department, promise.by.astimezone(OSLO).date())
    assert is_workday(department, promise.from_.astimezone(OSLO).date())


@given(departments(), instants, st.timedeltas(timedelta(0), timedelta(days=10)))
def test_later_caller_is_never_promised_an_earlier_time(
    department: Department, now: datetime, later: timedelta
) -> None:
    assert promise_for(department, now).by <= promise_for(department, now + later).by


@given(departments().filter(lambda department: department.policy is Policy.ROUNDS), instants)
def test_call_at_the_start_of_a_round_is_promised_the_next(department: Department, now: datetime) -> None:
    begins = promise_for(department, now).by
    assert promise_for(department, begins).by > begins
    assert promise_for(department, begins - timedelta(microseconds=1)).by == begins


# Attempts


def attempts(department: Department, first_rang: str, tries: Sequence[str]) -> list[tuple[bool, str, str | None]]:
    """Apply unanswered attempts in turn. Returns (counted, status, wall time of the promise after it) for each."""
    promise: Promise = promise_for(department, oslo(first_rang))
    counted: list[datetime] = []
    steps = []
    for moment in map(oslo, tries):
        step = after_unanswered(department, promise, counted, moment)
        if step.counted:
            counted.append(moment)
        if step.next_promise:
            promise = step.next_promise
        steps.append(
            (
                step.counted,
                "unreachable" if step.is_last else "waiting",
                wall(step.next_promise.by) if step.next_promise else None,
            )
        )
    return steps


def test_three_rounds_unanswered_make_a_patient_unreachable() -> None:
    assert attempts(ROUNDS, "2026-11-23T09:00", ["2026-11-23T10:02", "2026-11-23T13:05", "2026-11-24T10:01"]) == [
        (True, "waiting", "Mon 2026-11-23 13:00"),
        (True, "waiting", "Tue 2026-11-24 10:00"),
        (True, "unreachable", None),
    ]


def test_attempt_at_night_is_not_counted_and_the_patient_waits_until_the_morning() -> None:
    night = oslo("2026-11-24T01:20")
    promise = promise_for(DEADLINE, night)
    assert after_unanswered(DEADLINE, promise, [], night) == NextStep(
        counted=False, is_last=False, next_promise=promise
    )
    assert promise.from_ == oslo("2026-11-24T08:00")


def test_attempt_before_the_round_is_not_counted_and_keeps_the_promise() -> None:
    assert attempts(ROUNDS, "2026-11-23T09:00", ["2026-11-23T09:30", "2026-11-23T09:59:59", "2026-11-23T10:00"]) == [
        (False, "waiting", "Mon 2026-11-23 10:00"),
        (False, "waiting", "Mon 2026-11-23 10:00"),
        (True, "waiting", "Mon 2026-11-23 13:00"),
    ]


def test_only_one_attempt_counts_in_each_round() -> None:
    tries = ["2026-11-23T10:02", "2026-11-23T10:30", "2026-11-23T12:59", "2026-11-23T13:00", "2026-11-23T17:00"]
    assert attempts(ROUNDS, "2026-11-23T09:00", tries) == [
        (True, "waiting", "Mon 2026-11-23 13:00"),
        (False, "waiting", "Mon 2026-11-23 13:00"),
        (False, "waiting", "Mon 2026-11-23 13:00"),
        (True, "waiting", "Tue 2026-11-24 10:00"),
        (False, "waiting", "Tue 2026-11-24 10:00"),
    ]


def test_second_attempt_in_a_round_is_not_counted_even_when_overdue() -> None:
    overdue = promise_for(ROUNDS, oslo("2026-11-23T09:00"))
    step = after_unanswered(ROUNDS, overdue, [oslo("2026-11-23T10:02")], oslo("2026-11-23T10:40"))
    assert step == NextStep(False, False, promise_for(ROUNDS, oslo("2026-11-23T10:40")))


def test_a_late_attempt_counts_for_its_round_and_the_next_round_is_promised() -> None:
    assert attempts(ROUNDS, "2026-11-23T09:00", ["2026-11-24T09:00", "2026-11-24T10:05"]) == [
        (True, "waiting", "Tue 2026-11-24 10:00"),
        (True, "waiting", "Tue 2026-11-24 13:00"),
    ]


def test_deadline_attempts_are_two_hours_apart_or_on_another_workday() -> None:
    tries = ["2026-11-27T10:00", "2026-11-27T11:59:59", "2026-11-27T12:00", "2026-11-30T08:30"]
    assert attempts(DEADLINE, "2026-11-27T09:00", tries) == [
        (True, "waiting", "Fri 2026-11-27 15:00"),
        (False, "waiting", "Fri 2026-11-27 15:00"),
        (True, "waiting", "Fri 2026-11-27 15:00"),
        (True, "unreachable", None),
    ]


def test_the_next_deadline_window_opens_when_the_spacing_is_over() -> None:
    promise = promise_for(DEADLINE, oslo("2026-11-24T09:00"))
    step = after_unanswered(DEADLINE, promise, [], oslo("2026-11-24T10:00"))
    assert step.next_promise == Promise(Policy.DEADLINE, oslo("2026-11-24T12:00"), oslo("2026-11-24T15:00"))
    late = after_unanswered(DEADLINE, promise, [], oslo("2026-11-24T13:00"))
    assert late.next_promise == Promise(Policy.DEADLINE, oslo("2026-11-25T08:00"), oslo("2026-11-25T15:00"))


def test_attempt_on_the_day_before_the_promise_is_not_counted() -> None:
    assert attempts(DEADLINE, "2026-11-24T14:30", ["2026-11-24T15:00", "2026-11-25T08:00"]) == [
        (False, "waiting", "Wed 2026-11-25 15:00"),
        (True, "waiting", "Wed 2026-11-25 15:00"),
    ]


def test_department_may_allow_one_or_two_attempts() -> None:
    promise = promise_for(ROUNDS, oslo("2026-11-23T09:00"))
    once = after_unanswered(replace(ROUNDS, max_attempts=1), promise, [], oslo("2026-11-23T10:00"))
    assert once == NextStep(counted=True, is_last=True, next_promise=None)
    two = replace(ROUNDS, max_attempts=2)
    assert attempts(two, "2026-11-23T09:00", ["2026-11-23T10:02", "2026-11-23T13:05"])[-1] == (
        True,
        "unreachable",
        None,
    )


def test_early_last_attempt_does_not_make_a_patient_unreachable() -> None:
    promise = promise_for(ROUNDS, oslo("2026-11-24T09:00"))
    earlier = [oslo("2026-11-23T10:02"), oslo("2026-11-23T13:05")]
    step = after_unanswered(ROUNDS, promise, earlier, oslo("2026-11-24T09:10"))
    assert step == NextStep(counted=False, is_last=False, next_promise=promise)


def test_a_spacing_longer_than_a_night_skips_the_morning() -> None:
    slow = replace(DEADLINE, min_spacing=timedelta(hours=24))
    step = after_unanswered(slow, promise_for(slow, oslo("2026-11-24T09:00")), [], oslo("2026-11-24T10:00"))
    assert step.next_promise == Promise(Policy.DEADLINE, oslo("2026-11-25T10:00"), oslo("2026-11-25T15:00"))


@given(departments(), instants, st.lists(st.timedeltas(timedelta(0), timedelta(days=2)), min_size=1, max_size=12))
def test_waiting_patient_always_has_a_future_promise(
    department: Department, now: datetime, gaps: list[timedelta]
) -> None:
    promise, counted = promise_for(department, now), list[datetime]()
    for gap in gaps:
        now += gap
        step = after_unanswered(department, promise, counted, now)
        if step.counted:
            counted.append(now)
        if step.is_last:
            assert step.next_promise is None
            assert len(counted) == department.max_attempts
            return
        assert step.next_promise is not None
        assert step.next_promise.by > now
        promise = step.next_promise
    assert len(counted) < department.max_attempts
    if department.policy is Policy.DEADLINE:
        spaced = pairwise(counted)
        assert all(later - earlier >= department.min_spacing for earlier, later in spaced)


def test_note_for_the_record_lists_the_attempts() -> None:
    times = [oslo("2026-11-23T10:02"), oslo("2026-11-23T13:05"), oslo("2026-11-24T10:01")]
    assert attempts_note(times) == "ringt x3: man 10:02, man 13:05, tir 10:01"
    assert attempts_note([]) == "ikke ringt"


# Spoken


@pytest.mark.parametrize(
    ("department", "rings", "nb", "en"),
    [
        (DEADLINE, "2026-11-24T09:00", "i dag innen klokken 15", "today by 15:00"),
        (ROUNDS, "2026-11-24T09:00", "i dag klokken 10", "today at 10:00"),
        (DEADLINE, "2026-11-24T14:00", "i morgen innen klokken 15", "tomorrow by 15:00"),
        (ROUNDS, "2026-11-24T23:59:59", "i morgen klokken 10", "tomorrow at 10:00"),
        (DEADLINE, "2026-11-27T14:30", "mandag innen klokken 15", "Monday by 15:00"),
        (ROUNDS, "2027-03-24T14:30", "tirsdag klokken 10", "Tuesday at 10:00"),  # six days ahead
        (ROUNDS, "2027-03-23T23:00", "i morgen klokken 10", "tomorrow at 10:00"),
    ],
)
def test_promise_is_written_for_the_patient(department: Department, rings: str, nb: str, en: str) -> None:
    now = oslo(rings)
    promise = promise_for(department, now)
    assert spoken_text(promise, department, now) == nb
    assert spoken_text(promise, department, now, language="en") == en


def test_promise_a_week_ahead_names_the_date() -> None:
    closed = replace(ROUNDS, closed_days=frozenset({date(2027, 3, 24)}))
    now = oslo("2027-03-23T14:00")
    promise = promise_for(closed, now)
    assert spoken_text(promise, closed, now) == "tirsdag 30. mars klokken 10"
    assert spoken_text(promise, closed, now, "nn") == "tysdag 30. mars klokka 10"
    assert spoken_text(promise, closed, now, "en") == "Tuesday 30 March at 10:00"


def test_promise_shows_minutes_and_unknown_language_falls_back() -> None:
    odd = replace(DEADLINE, answer_by=time(15, 5), languages=("en", "nb"))
    now = oslo("2026-11-24T09:00")
    promise = promise_for(odd, now)
    assert spoken_text(promise, odd, now, "nb") == "i dag innen klokken 15.05"
    assert spoken_text(promise, odd, now, "se") == "today by 15:05"


def test_today_is_the_date_in_oslo() -> None:
    """At 23:30 UTC on Monday it is Tuesday in Oslo."""
    now = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    assert spoken_text(promise_for(ROUNDS, now), ROUNDS, now) == "i dag klokken 10"
