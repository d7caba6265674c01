"""Errors as problem documents (RFC 9457).

A document (application/problem+json) has `type` (urn:innringing:problem:<id>, stable), `title` (English), `status`,
`detail` when there is more to say, `request_id`, and `errors` for invalid input. Nothing the client sent is repeated:
it may be personal data.

Each part of the web door registers the status codes of the errors it can raise. Any other error of ours is a fault on
our side: 500, without its detail, which may name files.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeAlias

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.web.errors import ApiError
from api.web.middleware.trace import trace_of
from api.web.request_checks import UNKNOWN
from api.web.text import OWN_REASON
from desk.errors import DeskError

ErrorPage: TypeAlias = Callable[[Request, int, str, int | None], Response | None]
"""Makes the page of an error from its status, its id and the seconds to wait; None for a program's request."""
ProblemWriter: TypeAlias = Callable[["Problem", Mapping[str, str]], Response]
"""Writes a problem in another form, with these headers."""
Statuses: TypeAlias = Mapping[type[ApiError] | type[DeskError], int]
Fields: TypeAlias = Mapping[type[DeskError], tuple[str, str]]
"""Place and JSON pointer of what an error refuses: `("body", "#/phone")`."""

MEDIA_TYPE = "application/problem+json"
URN = "urn:innringing:problem:"
RETRY_AFTER_SECONDS = 5

PLAIN_TITLES: Mapping[int, tuple[str, str]] = {
    400: ("unreadable-body", "The request body can't be read."),
    404: ("not-found", "There is nothing at this address."),
    405: ("method-not-allowed", "This address does not support that method."),
    413: ("body-too-large", "The request body is too large."),
    415: ("not-json", "The body must be JSON: send Content-Type: application/json."),
}

OWN_PROBLEMS: Mapping[str, tuple[int, str]] = {
    "internal-error": (500, "Something went wrong on our side."),
    "invalid-input": (422, "The request is not valid."),
    "unknown-host": (421, "This host name is not served here. INNRINGING_ALLOWED_HOSTS lists the names that are."),
}
"""Status and title, by id, of problems without an error class."""

SAFE_MESSAGES = frozenset(
    {
        *("missing", "extra_forbidden", "enum", "literal_error", "string_type", "int_type", "bool_type", "list_type"),
        *("model_attributes_type", "greater_than_equal", "less_than_equal", "string_too_long", "string_too_short"),
        *("int_parsing", "int_from_float", "int_parsing_size", "bool_parsing", "too_long", "too_short"),
        *("string_pattern_mismatch", "string_unicode", "dict_type"),
        *(OWN_REASON, UNKNOWN),
    }
)
"""Types of validation error whose message does not quote the value; other messages are replaced."""


REPLACED: Mapping[str, str] = {
    **dict.fromkeys(("uuid_parsing", "uuid_type"), "Not a UUID."),
    **dict.fromkeys(("date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"), "Not a date."),
}
"""Our words for types of validation error whose message quotes the value."""
NO_REASON = "The value is not valid."


class FieldFault(BaseModel):
    """One fault in the input. The value itself is not repeated."""

    place: str = Field(description="The part of the request: body, query, path or header.")
    pointer: str = Field(description="JSON pointer within that part, such as `#/limit`.")
    detail: str


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = Field(description="`urn:innringing:problem:<id>`. Stable: programs compare it.")
    title: str
    status: int
    detail: str | None = None
    request_id: str | None = Field(default=None, description="The X-Request-ID of the response, as in the logs.")
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
    """Build the response; fields without a value are omitted. The request's audit row names the problem."""
    trace_of(request).problem = id
    document = Problem(
        type=URN + id,
        title=title,
        status=status,
        detail=detail,
        request_id=request.scope.get("request_id"),
        errors=list(errors) if errors else None,
    )
    if write := _writer(request):
        return write(document, headers or {})
    return JSONResponse(
        document.model_dump(exclude_none=True),
        status_code=status,
        headers=dict(headers or {}),
        media_type=MEDIA_TYPE,
    )


def write_problems_below(app: FastAPI, prefix: str, write: ProblemWriter) -> None:
    """Make every error of an address that begins with `prefix` an answer of that writer."""
    app.state.problem_writers[prefix] = write


def _writer(request: Request) -> ProblemWriter | None:
    writers: Mapping[str, ProblemWriter] = getattr(request.app.state, "problem_writers", {})
    path = request.scope["path"]
    return next((write for prefix, write in writers.items() if path.startswith(prefix)), None)


def internal_error(request: Request) -> Response:
    """Build the response to a fault of ours, without any detail."""
    status, title = OWN_PROBLEMS["internal-error"]
    return problem_response(request, status=status, id="internal-error", title=title)


def use_problem_documents(app: FastAPI) -> None:
    """Make every error of `app` a problem document."""
    app.state.problem_statuses = {}
    app.state.problem_fields = {}
    app.state.problem_writers = {}
    app.add_exception_handler(ApiError, _of_our_own)
    app.add_exception_handler(DeskError, _of_our_own)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)


def _as_page(request: Request, status: int, id: str, retry_after: int | None = None) -> Response | None:
    """The error as a page, where there are pages and a browser asked for one; else None."""
    if _writer(request):
        return None
    make: ErrorPage | None = getattr(request.app.state, "error_page", None)
    return make(request, status, id, retry_after) if make else None


def register(app: FastAPI, statuses: Statuses, fields: Fields | None = None) -> None:
    """Set the status codes of these errors, and the field that each refuses.

    Raises ValueError when one already has a code, or when 422 is without a field.
    """
    if vague := {error for error, status in statuses.items() if status == 422} - (fields or {}).keys():
        raise ValueError(f"422 without a field: {', '.join(sorted(error.__name__ for error in vague))}")
    app.state.problem_fields.update(fields or {})
    known = app.state.problem_statuses
    if taken := known.keys() & statuses.keys():
        raise ValueError(f"registered twice: {', '.join(sorted(error.__name__ for error in taken))}")
    known.update(statuses)


def registered(app: FastAPI) -> Statuses:
    """Return the status codes of all registered errors."""
    statuses: Statuses = app.state.problem_statuses
    return statuses


async def _of_our_own(request: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError | DeskError):
        raise error
    status = registered(request.app).get(type(error))
    if status is None:
        structlog.get_logger(__name__).error("error without a status code", error_id=error.id)
        return internal_error(request)
    if page := _as_page(request, status, error.id, error.retry_after):
        return page
    title = (type(error).__doc__ or "").strip()
    field = request.app.state.problem_fields.get(type(error))
    return problem_response(
        request,
        status=status,
        id=error.id,
        title=title,
        detail=error.detail,
        errors=[FieldFault(place=field[0], pointer=field[1], detail=title)] if field else None,
        headers=_headers_for(status, error, with_token="authorization" in request.headers),
    )


def _headers_for(status: int, error: ApiError | DeskError, *, with_token: bool) -> dict[str, str]:
    if error.retry_after is not None:
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
    if page := _as_page(request, status, "invalid-input"):
        return page
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
        # The last part is a name that the client invented: not repeated either.
        path = path[:-1]
    if kind == "json_invalid":
        return FieldFault(place=place, pointer="#", detail="This is not JSON.")
    detail = str(item["msg"]) if kind in SAFE_MESSAGES else REPLACED.get(kind, NO_REASON)
    return FieldFault(place=place, pointer="#" + "".join(f"/{part}" for part in path), detail=detail)


async def _of_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = error.status_code
    id_, title = PLAIN_TITLES.get(status, (f"http-{status}", HTTPStatus(status).phrase))
    if page := _as_page(request, status, id_):
        return page
    headers = dict(error.headers or {})
    if status == 405 and (methods := _documented_methods(request)):
        headers["Allow"] = ", ".join(
            sorted(methods | ({"HEAD"} if "GET" in methods else set()))
        )  # FastAPI names those of the first route only
    return problem_response(request, status=status, id=id_, title=title, headers=headers)


def _documented_methods(request: Request) -> set[str]:
    """All methods of the requested address; empty for one that the OpenAPI document lacks."""
    template = re.sub(r":[a-z]+}", "}", str(getattr(request.scope.get("route"), "path", "")))
    return {method.upper() for method in request.app.openapi()["paths"].get(template, {})}
