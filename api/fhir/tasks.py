"""A callback as a FHIR Task. Pure. docs/fhir.md has the table of statuses."""

from collections.abc import Mapping
from typing import Any, Final

from api.fhir.formats import instant
from api.fhir.identifiers import identifier_of
from desk.callbacks.model import Callback
from desk.callbacks.records import CallbackRecord
from desk.departments.departments import Department
from desk.inquiries.model import ClosedReason, Priority, Status
from desk.numbers.identity_number import IdentityNumber

OWN: Final = "urn:innringing:fhir:"
"""How the names of our code systems and extensions begin."""
DOUBTFUL: Final = f"{OWN}identity-doubtful"

STATUSES: Final[Mapping[Status, tuple[str, str]]] = {
    Status.WAITING: ("requested", "Venter på å bli ringt"),
    Status.CLAIMED: ("in-progress", "En medarbeider ringer nå"),
    Status.UNREACHABLE: ("on-hold", "Ikke nådd, venter på avgjørelse"),
}
"""FHIR's status and words for each status of an open callback."""
REASONS: Final[Mapping[ClosedReason, tuple[str, str]]] = {
    ClosedReason.REACHED: ("completed", "Nådd"),
    ClosedReason.CANCELLED_BY_CALLER: ("cancelled", "Avbestilt av innringeren"),
    ClosedReason.DUPLICATE: ("cancelled", "Samme henvendelse finnes fra før"),
    ClosedReason.OTHER: ("cancelled", "Avsluttet av en annen grunn"),
    ClosedReason.UNREACHABLE: ("failed", "Ikke nådd"),
    ClosedReason.WRONG_NUMBER: ("failed", "Feil telefonnummer"),
}
"""The same for each reason why one was closed. A table of its own: a status and a reason may have the same name."""
TASK_STATUSES: Final = frozenset(status for status, _ in [*STATUSES.values(), *REASONS.values()])


def task_of(
    record: CallbackRecord, departments: Mapping[str, Department], *, number: IdentityNumber | None = None
) -> dict[str, Any]:
    """Build the Task. With `number`, its person is the subject; else the number is masked.

    A doubtful number is never an identifier: it may be another person's, whose record must not be opened.
    """
    callback = record.callback
    reason = callback.closed_reason
    status, words = REASONS[reason] if reason else STATUSES[callback.status]
    task = {
        "resourceType": "Task",
        "id": callback.id,
        "meta": {"versionId": str(callback.version), "lastUpdated": instant(record.changed_at)},
        "contained": [_patient(callback)],
        "status": status,
        "businessStatus": _concept("callback-status", f"closed-{reason}" if reason else callback.status.value, words),
        "intent": "order",
        "priority": "urgent" if callback.priority is Priority.URGENT else "routine",
        "code": _concept("task-code", "callback", "Tilbakeringing"),
        "for": _subject(callback, number),
        "executionPeriod": _period(record),
        "authoredOn": instant(callback.created_at),
        "lastModified": instant(record.changed_at),
        "owner": owner_of(callback.department, departments),
        "reasonCode": _topic(callback, departments),
        "note": [{"text": callback.note}] if callback.note else None,
        "restriction": {"period": {"start": instant(callback.promise.from_), "end": instant(callback.promise.by)}},
    }
    if reason:
        task["statusReason"] = {"text": words}
    return {name: value for name, value in task.items() if value}


def owner_of(slug: str, departments: Mapping[str, Department]) -> dict[str, Any]:
    """The department as a reference. One that the file no longer has is named by its slug."""
    name = departments[slug].name if slug in departments else slug
    return {"reference": f"Organization/{slug}", "type": "Organization", "display": name}


def _patient(callback: Callback) -> dict[str, Any]:
    telecom = {"system": "phone", "value": callback.phone.e164}
    if callback.phone.mobile:
        telecom["use"] = "mobile"
    language = {"coding": [{"system": "urn:ietf:bcp:47", "code": callback.language}]}
    return {
        "resourceType": "Patient",
        "id": "patient",
        "telecom": [telecom],
        "communication": [{"language": language, "preferred": True}],
    }


def _subject(callback: Callback, number: IdentityNumber | None) -> dict[str, Any]:
    subject: dict[str, Any] = {"reference": "#patient", "type": "Patient"}
    if callback.identity_doubtful:
        subject["extension"] = [{"url": DOUBTFUL, "valueBoolean": True}]
        subject["display"] = "Usikkert fødselsnummer: spør hvem det er"
    elif number is not None:
        subject["identifier"] = identifier_of(number)
    elif callback.patient_masked:
        subject["display"] = callback.patient_masked
    return subject


def _period(record: CallbackRecord) -> dict[str, Any] | None:
    attempts = record.callback.attempts
    start = {"start": instant(attempts[0].at)} if attempts else {}
    return start | ({"end": instant(record.closed_at)} if record.closed_at else {}) or None


def _topic(callback: Callback, departments: Mapping[str, Department]) -> dict[str, Any] | None:
    if callback.topic is None:
        return None
    known = departments[callback.department].topics if callback.department in departments else {}
    return _concept(f"topic:{callback.department}", callback.topic, known.get(callback.topic, callback.topic))


def _concept(system: str, code: str, words: str) -> dict[str, Any]:
    return {"coding": [{"system": OWN + system, "code": code, "display": words}], "text": words}
