"""Token buckets that refill evenly, and defaults far above what a hospital needs on a Monday."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.errors import SettingsError
from desk.limits.rate import Rate, use
from desk.settings.settings import Settings

NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)
SIXTY = Rate(60, timedelta(minutes=1))
SECOND = timedelta(seconds=1)


def used(rate: Rate, times: list[datetime]) -> list[datetime]:
    """The times at which a use is allowed, of those requested."""
    full_at, free = None, []
    for now in times:
        asked = use(full_at, now, rate)
        if not asked.wait:
            free.append(now)
        full_at = asked.full_at
    return free


def test_full_bucket_allows_a_burst_and_then_one_at_a_time() -> None:
    full_at = None
    for _ in range(60):
        asked = use(full_at, NOW, SIXTY)
        assert asked.wait == 0
        full_at = asked.full_at
    assert use(full_at, NOW, SIXTY).wait == 1
    assert use(full_at, NOW + SECOND, SIXTY).wait == 0
    assert len(used(SIXTY, [NOW] * 500 + [NOW + 60 * SECOND] * 500)) == 120


def test_refused_requests_do_not_extend_the_wait() -> None:
    full_at = None
    for _ in range(1000):
        full_at = use(full_at, NOW, SIXTY).full_at
    assert use(full_at, NOW + SECOND, SIXTY).wait == 0


def test_clock_set_back_locks_no_one_out() -> None:
    full_at = use(None, NOW + timedelta(days=3), SIXTY).full_at
    asked = use(full_at, NOW, SIXTY)
    assert asked == use(None, NOW, SIXTY)


@given(st.lists(st.floats(min_value=0, max_value=30), max_size=400), st.integers(1, 50))
def test_no_period_allows_more_than_twice_the_rate(pauses: list[float], times: int) -> None:
    rate, now, asked = Rate(times, timedelta(seconds=60)), NOW, []
    for pause in pauses:
        now += timedelta(seconds=pause)
        asked.append(now)
    free = used(rate, asked)
    for first in free:
        assert sum(first <= each <= first + rate.per for each in free) <= 2 * times


@given(st.integers(1, 2000), st.integers(1, 600))
def test_requests_at_the_allowed_rate_are_never_refused(times: int, count: int) -> None:
    rate = Rate(times, timedelta(seconds=60))
    steps = [NOW + n * (rate.per / times) for n in range(count)]
    assert used(rate, steps) == steps


def test_defaults_allow_a_busy_monday(clean_environment: None) -> None:
    limits = Settings.load(need_keys=False).limits
    # An agent: two claims a second, each followed by two reads, and a screen that also lists every second.
    busy = [NOW + n * SECOND / 7 for n in range(7 * 600)]
    assert used(limits.request_rate, busy) == busy
    # A patient a minute, each number shown three times, after a first half hour of one in ten seconds.
    early = [NOW + n * 10 * SECOND for n in range(180)]
    looks = early + [NOW + timedelta(minutes=30) + n * 20 * SECOND for n in range(3 * 60 * 7)]
    assert used(limits.number_rate, looks) == looks
    # Two hundred screens of one hospital whose sessions end within the same five minutes, with five requests each.
    ended = [NOW + n * 0.3 * SECOND for n in range(1000)]
    assert used(limits.refusal_rate, ended) == ended


def test_limits_can_be_set_but_not_too_low_to_work(monkeypatch: pytest.MonkeyPatch, clean_environment: None) -> None:
    monkeypatch.setenv("INNRINGING_REQUESTS_A_MINUTE", "3000")
    monkeypatch.setenv("INNRINGING_NUMBERS_AN_HOUR", "40")
    settings = Settings.load(need_keys=False)
    assert settings.limits.request_rate == Rate(3000, timedelta(minutes=1))
    assert settings.limits.number_rate == Rate(40, timedelta(hours=1))
    for name, value in (("REQUESTS_A_MINUTE", "10"), ("REFUSALS_A_MINUTE", "0"), ("NUMBERS_AN_HOUR", "-1")):
        with monkeypatch.context() as wrong, pytest.raises(SettingsError, match=f"INNRINGING_{name}: "):
            wrong.setenv(f"INNRINGING_{name}", value)
            Settings.load(need_keys=False)
