"""The next step after an attempt, in Norwegian, for the agent. Pure."""

from datetime import datetime

from desk.callbacks.model import UNANSWERED, AttemptOutcome, Callback
from desk.departments.departments import Department
from desk.inquiries.model import ClosedReason, Status
from desk.promises.rules import attempts_note, spoken_text

_CLOSED = {ClosedReason.REACHED: "avsluttet: nådd", ClosedReason.WRONG_NUMBER: "avsluttet: feil nummer"}


def what_happens_next(callback: Callback, department: Department, now: datetime) -> str:
    """Say «ringes igjen i dag klokken 13», or «ikke nådd, ringt x3: …» to paste into the medical record."""
    last = callback.attempts[-1] if callback.attempts else None
    if callback.status is Status.WAITING and last and last.outcome is AttemptOutcome.DROPPED:
        return "brutt: først i køen, ring opp igjen nå"
    if callback.status is Status.WAITING:
        uncounted = " (dette forsøket teller ikke)" if last and last.outcome in UNANSWERED and not last.counted else ""
        return f"ringes igjen {spoken_text(callback.promise, department, now)}{uncounted}"
    if callback.status is Status.UNREACHABLE:
        return f"ikke nådd, {attempts_note([attempt.at for attempt in callback.attempts if attempt.counted])}"
    if callback.status is Status.CLOSED:
        return _CLOSED.get(callback.closed_reason, "avsluttet") if callback.closed_reason else "avsluttet"
    return "fortsatt din: avslutt den, eller legg den tilbake"
