"""An SMS to a patient as a FHIR Communication. Pure.

Its words and its number are not shown: they are deleted once it has left.
"""

from collections.abc import Mapping
from typing import Any, Final

from api.fhir.formats import instant
from api.fhir.tasks import OWN, owner_of
from desk.departments.departments import Department
from desk.messages.model import SmsKind, SmsRecord, SmsState

STATUSES: Final[Mapping[SmsState, tuple[str, str]]] = {
    SmsState.QUEUED: ("preparation", "Venter på å bli sendt"),
    SmsState.SENT: ("in-progress", "Sendt, ikke kvittert for"),
    SmsState.DELIVERED: ("completed", "Kommet fram"),
    SmsState.FAILED: ("stopped", "Kom ikke fram"),
    SmsState.EXPIRED: ("not-done", "Ikke sendt i tide"),
    SmsState.WITHDRAWN: ("not-done", "Trukket tilbake"),
}
"""FHIR's status and words for each state of an SMS."""
COMMUNICATION_STATUSES: Final = tuple(dict.fromkeys(status for status, _ in STATUSES.values()))
KINDS: Final[Mapping[SmsKind, str]] = {
    SmsKind.RECEIPT: "Kvittering",
    SmsKind.NEW_PROMISE: "Nytt tidspunkt",
    SmsKind.NUMBER_ADDED: "Et nummer er lagt til",
}
_AT: Final = {SmsState.SENT: "sent", SmsState.DELIVERED: "received"}
"""What the time of a state says."""


def communication_of(sms: SmsRecord, departments: Mapping[str, Department]) -> dict[str, Any]:
    """Build the Communication. `reason` is a code of the gateway's answer."""
    status, words = STATUSES[sms.state]
    communication: dict[str, Any] = {
        "resourceType": "Communication",
        "id": str(sms.id),
        "meta": {"lastUpdated": instant(sms.changed_at)},
        "basedOn": [{"reference": f"Task/{sms.inquiry_id}", "type": "Task"}],
        "status": status,
        "statusReason": {"coding": [_coding("sms-state", sms.state.value)], "text": words},
        "category": [_hl7("communication-category", "notification", "Notification")],
        "medium": [_hl7("v3-ParticipationMode", "SMSWRIT", "SMS message")],
        "topic": {"coding": [_coding("sms-kind", sms.kind.value)], "text": KINDS[sms.kind]},
        "sender": owner_of(sms.department, departments),
    }
    if sms.reason:
        communication["statusReason"]["coding"].append(_coding("sms-reason", sms.reason))
    if at := _AT.get(sms.state):
        communication[at] = instant(sms.changed_at)
    return communication


def _coding(system: str, code: str) -> dict[str, str]:
    return {"system": OWN + system, "code": code}


def _hl7(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code, "display": display}]}
