"""Which promises are kept and which will not be: pure. What has happened, who is on duty and `now` in, answer out.

A promise is judged by itself, also one that a newer has been given beside: it was told to somebody.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from heapq import heappop, heappush
from statistics import median

from desk.callbacks.model import Attempt, AttemptOutcome

ON_DUTY_FOR = timedelta(minutes=15)
"""An agent is on duty this long after a claim, a heartbeat or anything else done to a callback."""
MARGIN = timedelta(minutes=15)
"""At risk: predicted to be rung later than this before it is due. So the leader hears of it in time to do something."""
UNATTENDED_MARGIN = timedelta(hours=1)
"""The same while nobody is on duty."""

USUAL_HANDLING = timedelta(minutes=5)
SHORTEST_HANDLING = timedelta(seconds=30)
LONGEST_HANDLING = timedelta(minutes=30)
FEWEST_SAMPLES = 3
MOST_SAMPLES = 50

ANSWERED = frozenset({AttemptOutcome.REACHED, AttemptOutcome.WRONG_NUMBER, AttemptOutcome.DROPPED})


class PromiseState(StrEnum):
    """How a promise stands. `WITHDRAWN`: closed without a call before it was due (the caller cancelled, say)."""

    OPEN = "open"
    AT_RISK = "at_risk"
    KEPT = "kept"
    BROKEN = "broken"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Given:
    """A promise as given: when, and until when ringing keeps it."""

    at: datetime
    due: datetime


def kept_at(given: Given, tries: Iterable[Attempt]) -> datetime | None:
    """When the promise was kept: the first attempt in time that counted, or that somebody answered."""
    good = (each.at for each in tries if each.counted or each.outcome in ANSWERED)
    return min((at for at in good if given.at <= at <= given.due), default=None)


def judge(
    given: Given,
    tries: Iterable[Attempt],
    closed: Iterable[datetime],
    now: datetime,
    *,
    at_risk: bool = False,
) -> PromiseState:
    """The state of a promise. `closed` are the times its callback was closed at."""
    if kept_at(given, tries) is not None:
        return PromiseState.KEPT
    if any(given.at <= at <= given.due for at in closed):
        return PromiseState.WITHDRAWN
    if now > given.due:
        return PromiseState.BROKEN
    return PromiseState.AT_RISK if at_risk else PromiseState.OPEN


@dataclass(frozen=True)
class InLine:
    """A callback that is to be rung: its place in the line (lower first) and from when on it may be."""

    id: str
    place: int
    ready: datetime


def predict(line: Sequence[InLine], agents: int, handling: timedelta, now: datetime) -> dict[str, datetime]:
    """When each is rung if so many agents go on ringing, each taking the first in line that may be rung.

    With no agent, as if there were one.
    """
    free = [now] * max(1, agents)
    later = [(each.ready, each.place, each.id) for each in sorted(line, key=lambda each: (each.ready, each.place))]
    ready: list[tuple[int, str]] = []
    rung: dict[str, datetime] = {}
    taken = 0
    while len(rung) < len(later):
        moment = heappop(free)
        while taken < len(later) and later[taken][0] <= moment:
            heappush(ready, later[taken][1:])
            taken += 1
        if not ready:
            heappush(free, later[taken][0])
            continue
        _, id = heappop(ready)
        rung[id] = moment
        heappush(free, moment + handling)
    return rung


def is_at_risk(due: datetime, rung: datetime | None, agents: int) -> bool:
    """Whether a promise due then will probably be broken when its callback is rung at that time (None: not in line)."""
    if rung is None:
        return False
    return rung > due - (MARGIN if agents else UNATTENDED_MARGIN)


@dataclass(frozen=True)
class Deed:
    """Something an agent did to a callback. `done`: it ended the work with it, as an attempt does."""

    at: datetime
    agent: str
    done: bool


def handling_time(deeds: Sequence[Deed]) -> timedelta:
    """How long agents take with one callback: the median of the newest, oldest deed first in `deeds`.

    An attempt took the time since its agent's last deed: so many claimed at once are not each charged for all before.
    """
    last: dict[str, datetime] = {}
    took = []
    for deed in deeds:
        if deed.done and deed.agent in last:
            took.append(min(max(deed.at - last[deed.agent], SHORTEST_HANDLING), LONGEST_HANDLING))
        last[deed.agent] = deed.at
    if len(took) < FEWEST_SAMPLES:
        return USUAL_HANDLING
    return timedelta(seconds=median(each.total_seconds() for each in took[-MOST_SAMPLES:]))


def on_duty(deeds: Iterable[Deed], held_since: Mapping[str, datetime], now: datetime) -> frozenset[str]:
    """The agents at work. `held_since` is when each agent's newest lease was begun or extended."""
    seen = {deed.agent for deed in deeds if now - deed.at <= ON_DUTY_FOR}
    return frozenset(seen | {agent for agent, since in held_since.items() if now - since <= ON_DUTY_FOR})
