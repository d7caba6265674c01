"""Checks of a request that FastAPI does not make: its content type, and query parameters that the route does not have.

They run once it is known who sends the request, so that a stranger gets 401 and learns nothing of the route.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from email.message import Message

from fastapi import HTTPException, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form
from fastapi.routing import APIRoute
from pydantic import BaseModel

UNKNOWN = "unknown_parameter"
"""The type of the validation error. Its message has the name of a parameter of ours, never the client's."""


async def check_request(request: Request) -> None:
    """Check the content type of a body, and the names of the query parameters: a misspelt filter must not be ignored.

    Raises HTTPException 415, RequestValidationError.
    """
    await require_json(request)
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    known = sorted({*_declared(route.dependant)})
    faults = [
        {"type": UNKNOWN, "loc": ("query",), "msg": _message(name, known)}
        for name in request.query_params
        if name not in known
    ]
    if faults:
        raise RequestValidationError(faults)


async def require_json(request: Request) -> None:
    """Raises HTTPException 415 when the route reads a body, not a form, and the one sent is not declared as JSON."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute) or route.body_field is None or isinstance(route.body_field.field_info, Form):
        return
    if not is_json(request) and await request.body():
        raise HTTPException(415, headers={"Accept": "application/json"})


def is_json(request: Request) -> bool:
    """Whether the content type is JSON's or ends in `+json`, as FastAPI reads it."""
    header = Message()
    header["content-type"] = request.headers.get("content-type", "text/plain")
    kind, _, subtype = header.get_content_type().partition("/")
    return kind == "application" and (subtype == "json" or subtype.endswith("+json"))


def _declared(dependant: Dependant) -> Iterator[str]:
    for parameter in dependant.query_params:
        model = parameter.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            yield from (field.alias or name for name, field in model.model_fields.items())
        else:
            yield parameter.alias
    for inner in dependant.dependencies:
        yield from _declared(inner)


def _message(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    if near:
        return f"Unknown query parameter: did you mean «{near[0]}»?"
    return (
        f"Unknown query parameter: known are {', '.join(known)}." if known else "This address has no query parameters."
    )
