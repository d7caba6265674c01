"""Pages of resources as a searchset Bundle. The links name the page before and after, never a patient."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import Request

BASE = "/fhir"


def searchset(
    request: Request,
    kind: str,
    query: Sequence[tuple[str, str]],
    resources: Sequence[Mapping[str, Any]],
    *,
    next_cursor: str | None,
    total: int | None = None,
) -> dict[str, Any]:
    """Build the Bundle. `query` are the parameters of its own address; `total` is set when it is known."""
    base = str(request.base_url).rstrip("/") + BASE
    links = [{"relation": "self", "url": _address(base, kind, query)}]
    if next_cursor is not None:
        links.append({"relation": "next", "url": _address(base, kind, [*query, ("_cursor", next_cursor)])})
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "link": links}
    if total is not None:
        bundle["total"] = total
    if resources:
        bundle["entry"] = [
            {"fullUrl": f"{base}/{kind}/{each['id']}", "resource": each, "search": {"mode": "match"}}
            for each in resources
        ]
    return bundle


def _address(base: str, kind: str, query: Sequence[tuple[str, str]]) -> str:
    return f"{base}/{kind}" + (f"?{urlencode(query)}" if query else "")
