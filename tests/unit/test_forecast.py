"""Judging and forecasting promises: pure rules, with Hypothesis where they must hold for every queue."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.ledger.forecast import (
    USUAL_HANDLING,
    AgentAction,
    PromiseState,
    QueuePlace,
    handling_time,
    is_at_risk,
    judge,
    on_duty,
    predict,
)
from desk.promises.keeping import PromiseWindow, TimedAttempt, kept_at

NINE = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WINDOW = PromiseWindow(made=NINE, opens=NINE, due=NINE + 60 * MINUTE)


def tried(minutes: float, *, in_hours: bool = True) -> TimedAttempt:
    return TimedAttempt(NINE + minutes * MINUTE, in_hours)


@pytest.mark.parametrize(
    ("tries", "closed", "after", "state"),
    [
        ([], [], 60, PromiseState.OPEN),
        ([], [], 60.01, PromiseState.BROKEN),
        ([tried(60)], [], 90, PromiseState.KEPT),
        ([tried(60.01)], [], 90, PromiseState.BROKEN),
        ([tried(0)], [0], 0, PromiseState.KEPT),
        ([tried(-1)], [], 10, PromiseState.OPEN),  # belongs to the previous promise
        ([tried(10, in_hours=False)], [], 90, PromiseState.BROKEN),
        ([tried(10, in_hours=False)], [10], 90, PromiseState.WITHDRAWN),
        ([tried(70), tried(30)], [], 90, PromiseState.KEPT),
        ([], [30], 90, PromiseState.WITHDRAWN),
        ([], [61], 90, PromiseState.BROKEN),  # closing it afterwards changes nothing
        ([tried(61)], [61], 90, PromiseState.BROKEN),
        ([tried(20)], [30], 90, PromiseState.KEPT),
    ],
)
def test_promise_is_kept_by_an_attempt_within_its_time(
    tries: list[TimedAttempt], closed: list[float], after: float, state: PromiseState
) -> None:
    assert judge(WINDOW, tries, [NINE + each * MINUTE for each in closed], NINE + after * MINUTE) is state


def test_only_open_promises_can_be_at_risk() -> None:
    assert judge(WINDOW, [], [], NINE, at_risk=True) is PromiseState.AT_RISK
    assert judge(WINDOW, [tried(5)], [], NINE + 6 * MINUTE, at_risk=True) is PromiseState.KEPT
    assert judge(WINDOW, [], [], NINE + 61 * MINUTE, at_risk=True) is PromiseState.BROKEN


def test_first_attempt_in_time_keeps_the_promise() -> None:
    assert kept_at(WINDOW, [tried(50), tried(20), tried(-5)]) == NINE + 20 * MINUTE
    assert kept_at(WINDOW, []) is None


def line(*ready: float) -> list[QueuePlace]:
    return [QueuePlace(str(place), place, NINE + each * MINUTE) for place, each in enumerate(ready)]


def rung(*ready: float, agents: int = 1) -> list[float]:
    predicted = predict(line(*ready), agents, 10 * MINUTE, NINE)
    return [(predicted[str(place)] - NINE) / MINUTE for place in range(len(ready))]


def test_agents_share_the_queue() -> None:
    assert rung(0, 0, 0, 0) == [0, 10, 20, 30]
    assert rung(0, 0, 0, 0, agents=2) == [0, 0, 10, 10]
    assert rung(0, 0, agents=0) == [0, 10]
    assert rung() == []


def test_callback_whose_time_has_not_come_delays_no_other() -> None:
    assert rung(60, 0, 0) == [60, 0, 10]
    assert rung(15, 0, 0) == [20, 0, 10]  # first in line once its time has come
    assert rung(60, 60, agents=2) == [60, 60]


@given(
    st.lists(st.integers(-100, 300), max_size=40),
    st.integers(0, 6),
    st.integers(1, 30),
)
def test_every_queue_is_worked_through(ready: list[int], agents: int, handling: int) -> None:
    those = line(*ready)
    predicted = predict(those, agents, handling * MINUTE, NINE)
    assert set(predicted) == {each.id for each in those}
    for each in those:
        assert predicted[each.id] >= max(NINE, each.ready)
    moments = sorted(predicted.values())
    for first, later in zip(moments, moments[max(1, agents) :], strict=False):
        assert later - first >= handling * MINUTE, "no more at once than there are agents"
    more = predict(those, max(1, agents) + 1, handling * MINUTE, NINE)
    assert max(more.values(), default=NINE) <= max(predicted.values(), default=NINE)


@pytest.mark.parametrize(
    ("minutes", "agents", "risk"), [(45, 2, False), (45.1, 2, True), (0, 0, False), (0.1, 0, True)]
)
def test_at_risk_is_reported_early_enough_to_act(minutes: float, agents: int, risk: bool) -> None:
    assert is_at_risk(WINDOW.due, NINE + minutes * MINUTE, agents) is risk


def test_callback_outside_the_queue_is_not_at_risk() -> None:
    assert not is_at_risk(WINDOW.due, None, 1)


def actions(*done: tuple[float, str, bool]) -> list[AgentAction]:
    return [AgentAction(NINE + minutes * MINUTE, agent, ends) for minutes, agent, ends in done]


def test_round_claimed_at_once_is_timed_call_by_call() -> None:
    round_ = [(0.0, "kari", False)] * 4 + [(4.0, "kari", True), (10.0, "kari", True), (13.0, "kari", True)]
    assert handling_time(actions(*round_)) == 4 * MINUTE


def test_handling_time_is_per_agent_and_breaks_are_capped() -> None:
    both = actions((0, "kari", False), (1, "ola", False), (5, "kari", True), (6, "ola", True), (305, "kari", True))
    assert handling_time(both) == 5 * MINUTE


def test_default_handling_time_is_used_until_enough_is_known() -> None:
    assert handling_time([]) == USUAL_HANDLING
    assert handling_time(actions((0, "kari", False), (1, "kari", True), (2, "kari", True))) == USUAL_HANDLING


def test_agents_on_duty_have_recent_activity_or_a_fresh_lease() -> None:
    now = NINE + 20 * MINUTE
    done = actions((4, "early", True), (5, "kari", False), (19, "ola", True))
    assert on_duty(done, {"liv": NINE + 6 * MINUTE, "per": NINE}, now) == {"kari", "ola", "liv"}
    assert on_duty([], {}, now) == frozenset()
