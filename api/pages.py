"""The hot path: a page of callbacks as JSON, straight from what the desk gave.

It says what `CallbackPage` says, field by field (a test holds the two equal), without making its models first: we don't
check what we have built ourselves.
"""

from typing import Any

from pydantic_core import to_json

from desk.callbacks.model import Attempt, Callback
from desk.database.pages import Page


def page_json(page: Page[Callback]) -> str:
    """As `CallbackPage(...).model_dump_json(by_alias=True)`."""
    return to_json({"items": [_callback(each) for each in page.items], "next_cursor": page.next_cursor}).decode()


def _callback(callback: Callback) -> dict[str, Any]:
    patient = None
    if callback.patient_kind is not None and callback.patient_masked is not None:
        patient = {"kind": callback.patient_kind, "masked": callback.patient_masked}
    return {
        "id": callback.id,
        "department": callback.department,
        "status": callback.status,
        "priority": callback.priority,
        "phone": callback.phone.e164,
        "patient": patient,
        "promise": {"from": callback.promise.from_, "by": callback.promise.by, "spoken": callback.promise_spoken},
        "attempts": [_attempt(each) for each in callback.attempts],
        "call_count": callback.call_count,
        "language": callback.language,
        "created_at": callback.created_at,
        "claimed_by": callback.claimed_by,
        "lease_until": callback.lease_until,
        "version": callback.version,
        "closed_reason": callback.closed_reason,
        "note": callback.note,
        "sms": callback.sms,
        "has_recording": callback.has_recording,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "at": attempt.at,
        "agent": attempt.agent,
        "outcome": attempt.outcome,
        "counted": attempt.counted,
        "note": attempt.note,
    }
