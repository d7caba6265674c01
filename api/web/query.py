"""Refuse query parameters that a route does not have: a misspelt filter must not return everything."""

from collections.abc import Iterator
from difflib import get_close_matches

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

UNKNOWN = "unknown_parameter"
"""The type of the validation error. Its message has the name of a parameter of ours, never the client's."""


def refuse_unknown_query(request: Request) -> None:
    """Raise RequestValidationError for a query parameter that the requested route does not declare."""
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


def _declared(dependant: Dependant) -> Iterator[str]:
    for parameter in dependant.query_params:
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
