"""Errors as FHIR says them: an OperationOutcome in place of a problem document."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi.responses import JSONResponse, Response

from api.fhir.formats import MEDIA_TYPE
from api.web.problems import FieldFault, Problem

PROBLEMS: Final = "urn:innringing:problem"
"""The code system of the problem ids (docs/problems.md)."""
UNPROCESSABLE: Final = 422
BAD_REQUEST: Final = 400
"""FHIR's status for a search that can't be understood."""
CODES: Final[Mapping[int, str]] = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    413: "too-long",
    415: "not-supported",
    421: "not-supported",
    429: "throttled",
    500: "exception",
    503: "transient",
}
"""FHIR's IssueType of each status."""


def write_outcome(problem: Problem, headers: Mapping[str, str]) -> Response:
    """Write the problem as an OperationOutcome, with one issue for each fault of the input."""
    status = BAD_REQUEST if problem.status == UNPROCESSABLE else problem.status
    id = problem.type.rpartition(":")[2]
    details = {"coding": [{"system": PROBLEMS, "code": id}], "text": problem.title}
    shared = {"severity": "error", "code": CODES.get(status, "processing"), "details": details}
    issues = [shared | _about(fault) for fault in problem.errors or ()]
    more = {"diagnostics": problem.detail} if problem.detail else {}
    outcome: dict[str, Any] = {"resourceType": "OperationOutcome", "issue": issues or [shared | more]}
    return JSONResponse(outcome, status_code=status, headers=dict(headers), media_type=MEDIA_TYPE)


def _about(fault: FieldFault) -> dict[str, Any]:
    """What is wrong with which parameter. The value is not repeated."""
    name = fault.pointer.removeprefix("#").removeprefix("/").partition("/")[0]
    return {"diagnostics": fault.detail} | ({"expression": [f"http.{name}"]} if name else {})
