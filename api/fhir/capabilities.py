"""The CapabilityStatement: what this door answers, the same for everyone. A test compares it with the routes."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from pydantic import BaseModel

from api.fhir.formats import MEDIA_TYPE
from api.fhir.search import CommunicationSearch, TaskSearch, TaskSearchForm

FHIR_VERSION: Final = "4.0.1"
WRITTEN: Final = date(2026, 11, 30)
"""When what it says last changed."""
TYPES: Final[Mapping[str, tuple[str, str]]] = {
    "_id": ("token", "Ids, with commas between."),
    "_lastUpdated": ("date", "With ge, gt, le or lt. Twice for a range."),
    "modified": ("date", "The same as _lastUpdated."),
    "status": ("token", "FHIR's status, several with commas between."),
    "owner": ("reference", "Organization/<slug>. By identifier: owner:identifier=urn:innringing:department|<slug>."),
    "patient": ("reference", "patient:identifier=<system>|<number>, only by POST, for those who may see the number."),
    "based-on": ("reference", "Task/<id>, several with commas between."),
}
"""Type and meaning of each parameter."""


def searched_by(search: type[BaseModel]) -> list[str]:
    """The parameters of a search that its resource defines, without those of the page and the format."""
    names = [field.alias or name for name, field in search.model_fields.items()]
    return [name for name in names if name in TYPES]


def capability_statement(version: str) -> dict[str, Any]:
    """Build the statement of that version of the program."""
    tasks = [*searched_by(TaskSearch), "patient"]
    assert "patient:identifier" in {field.alias for field in TaskSearchForm.model_fields.values()}
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": WRITTEN.isoformat(),
        "kind": "instance",
        "software": {"name": "Innringing", "version": version},
        "implementation": {"description": "Innringing: callbacks, read-only, for a record system"},
        "fhirVersion": FHIR_VERSION,
        "format": [MEDIA_TYPE, "json"],
        "rest": [
            {
                "mode": "server",
                "security": {"description": "A bearer token, or a log-in at a browser: docs/fhir.md."},
                "resource": [
                    _resource("Task", tasks, "versioned"),
                    _resource("Communication", searched_by(CommunicationSearch), "no-version"),
                    _resource("Organization", [], "no-version"),
                ],
            }
        ],
    }


def _resource(kind: str, parameters: list[str], versioning: str) -> dict[str, Any]:
    interactions = ["read", *(["search-type"] if parameters else [])]
    resource: dict[str, Any] = {
        "type": kind,
        "interaction": [{"code": code} for code in interactions],
        "versioning": versioning,
    }
    if parameters:
        resource["searchParam"] = [
            {"name": name, "type": TYPES[name][0], "documentation": TYPES[name][1]} for name in parameters
        ]
    return resource
