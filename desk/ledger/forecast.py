"""Which promises are kept and which will not be. Pure: what has happened, who is on duty and `now` are passed in.

A promise is judged by itself, even if a newer one has replaced it: the patient has heard both.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from heapq import heappop, heappush
from statistics import median

from desk.promises.keeping import PromiseWindow, TimedAttempt, kept_at

ON_DUTY_FOR = timedelta(minutes=15)
"""An agent is on duty this long after a claim, a heartbeat or another action on a callback."""
MARGIN = timedelta(minutes=15)
"""At risk: the predicted call is later than this long before the due time. So the leader has time to act."""
UNATTENDED_MARGIN = timedelta(hours=1)
"""The same while no agent is on duty."""

USUAL_HANDLING = timedelta(minutes=5)
SHORTEST_HANDLING = timedelta(seconds=30)
LONGEST_HANDLING = timedelta(minutes=30)
FEWEST_SAMPLES = 3
MOST_SAMPLES = 50


class PromiseState(StrEnum):
    """The outcome of a promise.

    `WITHDRAWN`: closed before it was due, without an attempt that keeps it: the caller cancelled, or was reached early.
    """

    OPEN = "open"
    AT_RISK = "at_risk"
    KEPT = "kept"
    BROKEN = "broken"
    WITHDRAWN = "withdrawn"


def judge(
    window: PromiseWindow,
    attempts: Iterable[TimedAttempt],
    closed: Iterable[datetime],
    now: datetime,
    *,
    at_risk: bool = False,
) -> PromiseState:
    """Return the state of a promise. `closed`: when its callback was closed."""
    if kept_at(window, attempts) is not None:
        return PromiseState.KEPT
    if any(window.made <= at <= window.due for at in closed):
        return PromiseState.WITHDRAWN
    if now > window.due:
        return PromiseState.BROKEN
    return PromiseState.AT_RISK if at_risk else PromiseState.OPEN


@dataclass(frozen=True)
class QueuePlace:
    """A callback in the queue: its place (lower first), and from when on it may be called."""

    id: str
    place: int
    ready: datetime


def predict(queue: Sequence[QueuePlace], agents: int, handling: timedelta, now: datetime) -> dict[str, datetime]:
    """Predict when each is called if that number of agents go on, each taking the first that may be called.

    With no agent, as if there were one.
    """
    free = [now] * max(1, agents)
    later = [(each.ready, each.place, each.id) for each in sorted(queue, key=lambda each: (each.ready, each.place))]
    ready: list[tuple[int, str]] = []
    predicted: dict[str, datetime] = {}
    taken = 0
    while len(predicted) < len(later):
        moment = heappop(free)
        while taken < len(later) and later[taken][0] <= moment:
            heappush(ready, later[taken][1:])
            taken += 1
        if not ready:
            heappush(free, later[taken][0])
            continue
        _, id = heappop(ready)
        predicted[id] = moment
        heappush(free, moment + handling)
    return predicted


def is_at_risk(due: datetime, predicted: datetime | None, agents: int) -> bool:
    """Whether a promise will probably be broken if the call is made as predicted (None: it is not in the queue)."""
    if predicted is None:
        return False
    return predicted > due - (MARGIN if agents else UNATTENDED_MARGIN)


@dataclass(frozen=True)
class AgentAction:
    """Something an agent did to a callback. `ended_work`: it ended the work with it, as an attempt does."""

    at: datetime
    agent: str
    ended_work: bool


def handling_time(actions: Sequence[AgentAction]) -> timedelta:
    """Return how long agents take with one callback: the median of the newest. `actions` are in order of time.

    An attempt took the time since its agent's previous action, so claiming several at once does not make each longer.
    """
    last: dict[str, datetime] = {}
    took = []
    for action in actions:
        if action.ended_work and action.agent in last:
            took.append(min(max(action.at - last[action.agent], SHORTEST_HANDLING), LONGEST_HANDLING))
        last[action.agent] = action.at
    if len(took) < FEWEST_SAMPLES:
        return USUAL_HANDLING
    return timedelta(seconds=median(each.total_seconds() for each in took[-MOST_SAMPLES:]))


def on_duty(actions: Iterable[AgentAction], held_since: Mapping[str, datetime], now: datetime) -> frozenset[str]:
    """Return the agents on duty. `held_since`: when each agent's newest lease was taken or extended."""
    seen = {action.agent for action in actions if now - action.at <= ON_DUTY_FOR}
    return frozenset(seen | {agent for agent, since in held_since.items() if now - since <= ON_DUTY_FOR})
