"""What keeps a promise. Pure. The cases are in docs/figures.md, and a test reads them from there."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class PromiseWindow:
    """When a promise was made, when the promised time begins, and until when an attempt keeps it. Aware UTC."""

    made: datetime
    opens: datetime
    due: datetime


@dataclass(frozen=True)
class TimedAttempt:
    """One attempt to call a patient. `in_hours`: the department that made it may call patients at that time."""

    at: datetime
    in_hours: bool


def keeps(window: PromiseWindow, attempt: TimedAttempt) -> bool:
    """Whether the attempt keeps the promise: in ringing hours, not before the promised time begins, and not too late.

    It does not matter how the attempt ended, or whether the agent called by hand or by click.
    """
    return attempt.in_hours and max(window.made, window.opens) <= attempt.at <= window.due


def kept_at(window: PromiseWindow, attempts: Iterable[TimedAttempt]) -> datetime | None:
    """Return when the promise was kept: at the first attempt that keeps it. None if it was not."""
    return min((each.at for each in attempts if keeps(window, each)), default=None)
