"""The log names a failure of the database once, then rarely, and says when the database works again."""

import structlog

from desk.database.failure_log import REPEAT_SECONDS, FailureLog

AWAY = {"error": "OSError", "cause": "OSError", "sqlstate": None}


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_failure_each_second_for_three_minutes_is_logged_four_times_and_its_end_once() -> None:
    clock = Seconds()
    failures = FailureLog(clock)
    with structlog.testing.capture_logs() as lines:
        for second in range(181):
            clock.now = float(second)
            failures.failed("writing", **AWAY)
        failures.worked("writing")
        failures.worked("writing")
    said = [(line["event"], line["log_level"], line.get("repeated")) for line in lines]
    between = int(REPEAT_SECONDS) - 1
    assert said == [
        ("The database failed", "error", None),
        *[("The database failed", "error", between)] * 3,
        ("The database works again", "info", None),
    ]


def test_another_failure_is_logged_at_once() -> None:
    failures = FailureLog(Seconds())
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            failures.failed("writing", **AWAY)
            failures.failed("writing", **{**AWAY, "sqlstate": "53100"})
    assert [line["sqlstate"] for line in lines] == [None, "53100"]


def test_reading_does_not_hide_that_writing_fails() -> None:
    failures = FailureLog(Seconds())
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            failures.failed("writing", **AWAY)
            failures.worked("reading")
    assert [line["event"] for line in lines] == ["The database failed"]
