"""A dial: an agent's request that the exchange calls a patient. Its states, its end, and when patients may be called.

Pure: no storage, no telephony.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum
from typing import Final

from desk.callbacks.model import AttemptOutcome
from desk.clock import OSLO
from desk.ids import CallbackId
from desk.numbers.phone_number import PhoneNumber

MIDNIGHT: Final = time(0)


class DialState(StrEnum):
    """The state of a dial. The patient is never called before the agent has answered."""

    REQUESTED = "requested"
    AGENT_RINGING = "agent_ringing"
    PATIENT_RINGING = "patient_ringing"
    BRIDGED = "bridged"
    ENDED = "ended"


class DialReason(StrEnum):
    """Why a dial ended."""

    AGENT_UNAVAILABLE = "agent_unavailable"  # the phone is not registered, or it rejected the call
    AGENT_NO_ANSWER = "agent_no_answer"
    AGENT_HUNG_UP = "agent_hung_up"  # while the patient's phone was ringing
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    NOT_IN_USE = "not_in_use"  # the number is not in use
    FAILED = "failed"  # the telephone company could not put it through
    ANSWERED = "answered"
    DROPPED = "dropped"  # answered, and then cut off
    CANCELLED = "cancelled"
    OUTSIDE_HOURS = "outside_hours"  # the hours ended before the patient was called
    TRUNK_BUDGET = "trunk_budget"  # the trunk's limit for one hour was reached before the patient was called
    REFUSED = "refused"  # the number may not be called
    EXPIRED = "expired"  # no controller took it in time
    LOST = "lost"  # the exchange or its controller was lost


OUTCOME_OF: Final[Mapping[DialReason, AttemptOutcome]] = {
    DialReason.BUSY: AttemptOutcome.BUSY,
    DialReason.NO_ANSWER: AttemptOutcome.NO_ANSWER,
    DialReason.DROPPED: AttemptOutcome.DROPPED,
}
"""The reasons that are recorded as an attempt automatically. The agent reports any other outcome."""


@dataclass(frozen=True)
class Dial:
    """One dial. Times are aware UTC. `fence` is that of the claim it was requested under; `phone` is the patient's.

    `agent_phone` is the endpoint the agent answers at. `taken_by` names the controller that makes the calls.
    """

    id: str
    callback_id: CallbackId
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


@dataclass(frozen=True)
class WaitingDial:
    """A dial that no controller has taken, and the endpoint the agent answers at."""

    id: str
    agent_phone: str


def day_start(now: datetime) -> datetime:
    """The midnight in Oslo that began this day."""
    return datetime.combine(now.astimezone(OSLO).date(), MIDNIGHT, OSLO)
