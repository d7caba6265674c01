"""What an agent is told in Norwegian once an attempt is recorded. Pure."""

from datetime import datetime

from desk.callbacks import Callback, Status
from desk.departments import Department
from desk.promises import attempts_note, spoken_text


def what_happens_next(callback: Callback, department: Department, now: datetime) -> str:
    """«ringes igjen i dag klokken 13», or «ikke nådd, ringt x3: …» to paste into the record."""
    if callback.status is Status.WAITING:
        return f"ringes igjen {spoken_text(callback.promise, department, now)}"
    if callback.status is Status.UNREACHABLE:
        return f"ikke nådd, {attempts_note([attempt.at for attempt in callback.attempts if attempt.counted])}"
    if callback.status is Status.CLOSED:
        return "avsluttet"
    return "fortsatt din: avslutt den, eller legg den tilbake"
