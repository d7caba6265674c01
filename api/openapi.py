"""The OpenAPI document and the page that shows it, which loads nothing from the internet."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse, Response

from api.web.audit_rules import unaudited
from api.web.problems import MEDIA_TYPE, Problem

API = "/api/v1"
"""The prefix of every path of this version. Each router has it, so that logs show the whole route."""

DOCUMENT_PATH = "/api/openapi.json"
DOCS_PATH = "/api/docs"

PROBLEMS: Mapping[int, str] = {
    400: "The request body can't be read.",
    401: "No valid token or session.",
    403: "Your role does not allow this, or it belongs to another department.",
    413: "The request body is too large.",
    415: "The body is not JSON by its Content-Type.",
    422: "The request is not valid: `errors` says which field and why.",
    429: "Too many requests with this log-in or token. Wait for the seconds in Retry-After.",
    500: "Something went wrong on our side.",
    503: "The database can't be reached. Try again.",
}
"""Refusals that every route of /api/v1 shares."""

DESCRIPTION = """
Agents work through callbacks: claim one, call the patient, record the outcome.

A claim lasts for a lease and returns a `fence`. Send that `fence` with each attempt, release and close.
Errors are problem documents (RFC 9457): compare `type`, show `title`. Times are RFC 3339 in UTC, phone numbers E.164.
"""

# The page's script is a file, so that the policy below can forbid inline scripts.
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Innringing: API</title><link rel="stylesheet" href="docs/swagger-ui.css"></head>
<body><div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script></body></html>
"""
START = """SwaggerUIBundle({
  url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null,
  displayRequestDuration: true, persistAuthorization: false,
});
"""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

router = APIRouter(include_in_schema=False)


def problems(*own: tuple[int, str]) -> dict[int | str, dict[str, Any]]:
    """Build the OpenAPI entries of a route's refusals: its `own`, and those that every route shares."""
    texts = {**PROBLEMS, **dict(own)}
    return {status: {"description": text, "content": _CONTENT} for status, text in texts.items()}


_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def describe(app: FastAPI) -> dict[str, Any]:
    """Build the document of `app`, with Problem among its schemas and without FastAPI's own error schemas."""
    document: dict[str, Any] = get_openapi(
        title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}), Problem=problem)
    for own in ("HTTPValidationError", "ValidationError"):
        schemas.pop(own, None)
    return document


@router.get(DOCUMENT_PATH)
@unaudited("what the API is; the same for everyone")
async def document(request: Request) -> Response:
    return JSONResponse(request.app.openapi())


@router.get(DOCS_PATH)
@unaudited("a page about the API, the same for everyone")
async def page() -> Response:
    return HTMLResponse(PAGE, headers={"Content-Security-Policy": POLICY})


@router.get(DOCS_PATH + "/start.js")
@unaudited("a part of the page about the API")
async def start() -> Response:
    return Response(START, media_type="text/javascript")


@router.get(DOCS_PATH + "/swagger-ui-bundle.js")
@unaudited("a part of the page about the API")
def bundle() -> Response:
    return _asset("swagger-ui-bundle.js", "text/javascript")


@router.get(DOCS_PATH + "/swagger-ui.css")
@unaudited("a part of the page about the API")
def style() -> Response:
    return _asset("swagger-ui.css", "text/css")


def _asset(name: str, media_type: str) -> Response:
    """A file of Swagger UI from fastapi-offline, which ships it for use without internet."""
    content = files("fastapi_offline").joinpath("static", name).read_bytes()
    return Response(content, media_type=media_type, headers={"Cache-Control": "public, max-age=86400"})
