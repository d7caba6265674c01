"""Every refusal as a problem document (RFC 9457): the one place where errors become status codes.

Shape (application/problem+json): `type` (urn:innringing:problem:<id>, stable), `title` (English), `status`,
`detail` when there is more to say, `request_id`, and `errors` where input was wrong. Nothing a client sent is ever
repeated: it may be personal data.
"""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.auth.oidc.client import GrantOver
from api.auth.oidc.errors import (
    GroupsNotTold,
    LoginNotAskedFor,
    LoginNotValid,
    LoginRefused,
    LoginTooWeak,
    LogoutTokenNotValid,
    NoRole,
    ProviderRefused,
    ProviderUnavailable,
    SingleSignOnOff,
)
from api.web.errors import (
    ApiError,
    CrossSite,
    NoPatient,
    NotSignedIn,
    PasswordMustBeChanged,
    RoleNotAllowed,
    SecondFactorMustBeAdded,
    TooManyReaders,
    TooManyRequests,
    VersionNeeded,
)
from desk.access.errors import DepartmentNotAllowed
from desk.accounts.errors import (
    AgentDisabled,
    AgentNameTaken,
    AgentNotFound,
    EmergencyNotFound,
    EmergencyNotNeeded,
    GrantNotFound,
    LeakedPasswordsFault,
    LogInAgain,
    LoginsBusy,
    NarrowedToken,
    ProvidersPerson,
    SecondFactorElsewhere,
    SecondFactorNeeded,
    SecondFactorNotFound,
    SecondFactorNotStarted,
    SessionNotFound,
    TokenNotFound,
    TokenOutlives,
    TokenTooWide,
    TooManyTokens,
    TooManyTries,
    WeakPassword,
    WrongCode,
    WrongLogin,
    WrongPassword,
)
from desk.callbacks.errors import CallbackNotFound, IdentityNotTaken, TooManyNumbers
from desk.database.errors import BadCursor, StorageUnavailable
from desk.departments.errors import DepartmentNotFound
from desk.dials.errors import (
    DialCapReached,
    DialInProgress,
    DialLost,
    DialNotFound,
    DialOver,
    NoAgentPhone,
    OutsideRingingHours,
)
from desk.errors import DeskError
from desk.idempotency.errors import KeyUsedBefore
from desk.inquiries.errors import AlreadyClaimed, AlreadyOpenThere, ClaimLost, IllegalMove, VersionConflict
from desk.numbers.errors import InvalidIdentity, InvalidPhone, InvalidPhoneName
from desk.promises.errors import PromiseNotPossible
from desk.recordings.errors import RecordingNotFound
from desk.vault.errors import CannotOpen

MEDIA_TYPE = "application/problem+json"
URN = "urn:innringing:problem:"
RETRY_AFTER_SECONDS = 5

STATUS_OF: Mapping[type[Exception], int] = {
    NotSignedIn: 401,
    RoleNotAllowed: 403,
    CrossSite: 403,
    PasswordMustBeChanged: 403,
    SecondFactorMustBeAdded: 403,
    DepartmentNotAllowed: 403,
    NoPatient: 404,
    TooManyReaders: 503,
    TooManyRequests: 429,
    SingleSignOnOff: 404,
    ProviderUnavailable: 503,
    LoginNotValid: 400,
    LogoutTokenNotValid: 400,
    LoginRefused: 403,
    LoginTooWeak: 403,
    LoginNotAskedFor: 403,
    GrantOver: 403,
    ProviderRefused: 403,
    NoRole: 403,
    GroupsNotTold: 403,
    CallbackNotFound: 404,
    DialNotFound: 404,
    RecordingNotFound: 404,
    DialInProgress: 409,
    DialOver: 409,
    DialLost: 409,
    OutsideRingingHours: 409,
    NoAgentPhone: 409,
    DialCapReached: 429,
    DepartmentNotFound: 404,
    AgentNotFound: 404,
    EmergencyNotFound: 404,
    EmergencyNotNeeded: 409,
    WrongLogin: 401,
    WrongPassword: 403,
    SecondFactorNeeded: 401,
    WrongCode: 403,
    SecondFactorNotStarted: 409,
    SecondFactorNotFound: 404,
    SecondFactorElsewhere: 403,
    WeakPassword: 422,
    TooManyTries: 429,
    TooManyNumbers: 429,
    LeakedPasswordsFault: 503,
    LoginsBusy: 503,
    AgentDisabled: 403,
    AgentNameTaken: 409,
    GrantNotFound: 404,
    TokenNotFound: 404,
    TooManyTokens: 409,
    SessionNotFound: 404,
    LogInAgain: 403,
    NarrowedToken: 403,
    TokenTooWide: 403,
    TokenOutlives: 403,
    ProvidersPerson: 403,
    IllegalMove: 409,
    ClaimLost: 409,
    AlreadyClaimed: 409,
    AlreadyOpenThere: 409,
    KeyUsedBefore: 409,
    VersionConflict: 412,
    VersionNeeded: 428,
    IdentityNotTaken: 422,
    PromiseNotPossible: 422,
    BadCursor: 422,
    InvalidIdentity: 422,
    InvalidPhone: 422,
    InvalidPhoneName: 422,
    CannotOpen: 500,
    StorageUnavailable: 503,
}
"""Anything else of the DeskError family is our fault: 500, without its detail (it may name files)."""

PLAIN_TITLES: Mapping[int, tuple[str, str]] = {
    400: ("unreadable-body", "The request body can't be read."),
    404: ("not-found", "There is nothing at this address."),
    405: ("method-not-allowed", "This address does not take that method."),
    413: ("body-too-large", "The request body is too large."),
}

OWN_PROBLEMS: Mapping[str, tuple[int, str]] = {
    "internal-error": (500, "Something went wrong on our side."),
    "invalid-input": (422, "The request is not valid."),
    "unknown-host": (421, "This host name is not served here. INNRINGING_ALLOWED_HOSTS lists the names that are."),
}
"""Problems that no class of error stands for: status and title by id."""

SAFE_MESSAGES = frozenset(
    {
        *("missing", "extra_forbidden", "enum", "literal_error", "string_type", "int_type", "bool_type", "list_type"),
        *("model_attributes_type", "greater_than_equal", "less_than_equal", "string_too_long", "string_too_short"),
    }
)
"""Validation messages known not to quote the value; all others are replaced."""


class FieldFault(BaseModel):
    """One thing wrong in the input; the value itself is not repeated."""

    place: str = Field(description="Where: body, query, path or header.")
    pointer: str = Field(description="JSON pointer within that place, as #/limit.")
    detail: str


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = Field(description="urn:innringing:problem:<id>: stable, to be compared by programs.")
    title: str
    status: int
    detail: str | None = None
    request_id: str | None = Field(default=None, description="The X-Request-ID of the answer, to be found in the logs.")
    errors: list[FieldFault] | None = None


def problem_response(
    request: Request,
    *,
    status: int,
    id: str,
    title: str,
    detail: str | None = None,
    errors: Sequence[FieldFault] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer itself; fields without a value are left out."""
    document = Problem(
        type=URN + id,
        title=title,
        status=status,
        detail=detail,
        request_id=request.scope.get("request_id"),
        errors=list(errors) if errors else None,
    )
    return JSONResponse(
        document.model_dump(exclude_none=True),
        status_code=status,
        headers=dict(headers or {}),
        media_type=MEDIA_TYPE,
    )


def internal_error(request: Request) -> Response:
    """A fault of ours: says nothing of what is inside."""
    status, title = OWN_PROBLEMS["internal-error"]
    return problem_response(request, status=status, id="internal-error", title=title)


def use_problem_documents(app: FastAPI) -> None:
    """Make every error of `app` a problem document."""
    app.add_exception_handler(ApiError, _of_own_family)
    app.add_exception_handler(DeskError, _of_own_family)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)


async def _of_own_family(request: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError | DeskError):
        raise error
    status = STATUS_OF.get(type(error))
    if status is None:
        structlog.get_logger(__name__).error("unmapped desk error", error_id=error.id)
        return internal_error(request)
    return problem_response(
        request,
        status=status,
        id=error.id,
        title=(type(error).__doc__ or "").strip(),
        detail=error.detail,
        headers=_headers_for(status, error, with_token="authorization" in request.headers),
    )


def _headers_for(status: int, error: Exception, *, with_token: bool) -> dict[str, str]:
    if isinstance(error, TooManyTries | TooManyNumbers | TooManyRequests):
        return {"Retry-After": str(error.retry_after)}
    if status == 401:
        # RFC 6750: an error code only where a token was sent.
        return {"WWW-Authenticate": 'Bearer realm="innringing"' + (', error="invalid_token"' if with_token else "")}
    if status == 503:
        return {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return {}


async def _of_validation(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    status, title = OWN_PROBLEMS["invalid-input"]
    return problem_response(
        request,
        status=status,
        id="invalid-input",
        title=title,
        errors=[_fault(item) for item in error.errors()],
    )


def _fault(item: Mapping[str, Any]) -> FieldFault:
    kind = str(item["type"])
    place, *path = (str(part) for part in item["loc"])
    if kind == "extra_forbidden":
        # The last part is a name the client made up: not repeated either.
        path = path[:-1]
    if kind == "json_invalid":
        return FieldFault(place=place, pointer="#", detail="This is not JSON.")
    detail = str(item["msg"]) if kind in SAFE_MESSAGES else "The value is not valid."
    return FieldFault(place=place, pointer="#" + "".join(f"/{part}" for part in path), detail=detail)


async def _of_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = error.status_code
    id_, title = PLAIN_TITLES.get(status, (f"http-{status}", HTTPStatus(status).phrase))
    headers = dict(error.headers or {})
    if status == 405 and (methods := _documented_methods(request)):
        headers["Allow"] = ", ".join(sorted(methods))  # the framework names only those of the first route found
    return problem_response(request, status=status, id=id_, title=title, headers=headers)


def _documented_methods(request: Request) -> set[str]:
    """Every method of the address asked for; empty for one that is not in the OpenAPI document."""
    template = re.sub(r":[a-z]+}", "}", str(getattr(request.scope.get("route"), "path", "")))
    return {method.upper() for method in request.app.openapi()["paths"].get(template, {})}
