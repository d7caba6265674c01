"""A dial: an agent's wish that the exchange rings a patient. Its states, why it ended, and when a patient may be rung.

Pure: no storage, no telephony.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum
from typing import Final

from desk.callbacks.model import AttemptOutcome
from desk.clock import OSLO
from desk.departments.calendar import is_workday
from desk.departments.departments import Department
from desk.numbers.phone_number import PhoneNumber

MIDNIGHT: Final = time(0)


class DialState(StrEnum):
    """Where a dial stands. The patient is never rung before the agent is on the line."""

    REQUESTED = "requested"
    AGENT_RINGING = "agent_ringing"
    PATIENT_RINGING = "patient_ringing"
    BRIDGED = "bridged"
    ENDED = "ended"


class DialReason(StrEnum):
    """Why a dial ended."""

    AGENT_UNAVAILABLE = "agent_unavailable"  # the phone is not registered, or it said no
    AGENT_NO_ANSWER = "agent_no_answer"
    AGENT_HUNG_UP = "agent_hung_up"  # while the patient was being rung
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    NOT_IN_USE = "not_in_use"  # nobody has that number
    FAILED = "failed"  # the telephone company could not put it through: no fault of the patient's
    ANSWERED = "answered"
    DROPPED = "dropped"  # answered, and then cut off
    CANCELLED = "cancelled"
    OUTSIDE_HOURS = "outside_hours"  # the hour struck before the patient was rung
    REFUSED = "refused"  # the number may not be rung (any more)
    EXPIRED = "expired"  # nobody was there to do it in time
    LOST = "lost"  # the exchange or its controller went away


OUTCOME_OF: Final[Mapping[DialReason, AttemptOutcome]] = {
    DialReason.BUSY: AttemptOutcome.BUSY,
    DialReason.NO_ANSWER: AttemptOutcome.NO_ANSWER,
    DialReason.DROPPED: AttemptOutcome.DROPPED,
}
"""What is recorded as an attempt by itself. All else is the agent's to tell, or was no attempt."""


@dataclass(frozen=True)
class Dial:
    """One dial. Times are aware UTC. `fence` is that of the claim it was asked for under; `phone` is the patient's.

    `agent_phone` is the endpoint the agent answers at. `taken_by` names the controller that does it.
    """

    id: str
    callback_id: str
    department: str
    agent: str
    agent_phone: str
    phone: PhoneNumber
    fence: int
    state: DialState
    reason: DialReason | None
    requested_at: datetime
    taken_by: str | None
    bridged_at: datetime | None
    ended_at: datetime | None


def may_ring(department: Department, now: datetime) -> bool:
    """Whether the department may ring a patient at `now`. An end at midnight is the end of that day."""
    local = now.astimezone(OSLO)
    if department.ringing_days == "workdays" and not is_workday(department, local.date()):
        return False
    first, last = department.ringing_hours
    return first <= local.time() and (last == MIDNIGHT or local.time() < last)


def day_start(now: datetime) -> datetime:
    """The midnight in Oslo at which this day began."""
    return datetime.combine(now.astimezone(OSLO).date(), MIDNIGHT, OSLO)
