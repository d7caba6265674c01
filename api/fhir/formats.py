"""The form of an answer: FHIR's JSON, checked against FHIR's own definition before it is sent.

The library that checks it (fhir.resources) takes over a second to load, so it is loaded by the first request for a
resource, and works in a thread.
"""

import asyncio
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated, Any, Final

from fastapi import Depends, Query, Request
from fastapi.responses import Response

from api.fhir.errors import NotAcceptable

MEDIA_TYPE: Final = "application/fhir+json"
JSON: Final = frozenset({"json", "text/json", "application/json", MEDIA_TYPE})
ANY: Final = frozenset({"*/*", "application/*", "text/html"})
"""What a browser asks for is answered too."""

FormatQuery = Annotated[str | None, Query(alias="_format", max_length=64)]


def check_format(request: Request, named: str | None) -> None:
    """Raise NotAcceptable unless the client takes JSON. `_format`, here `named`, goes before the header Accept."""
    if named is not None:
        # In an address + is a space.
        if named.replace(" ", "+").partition(";")[0].strip().lower() not in JSON:
            raise NotAcceptable
        return
    accepted = request.headers.get("accept", "*/*").lower().replace(" ", "").split(",")
    if not {part.partition(";")[0] for part in accepted if "q=0;" not in f"{part};"} & (JSON | ANY):
        raise NotAcceptable


async def _json_only(request: Request, named: FormatQuery = None) -> None:
    check_format(request, named)


JsonOnly = Annotated[None, Depends(_json_only)]
"""For a route without a search: the format is the only parameter. After the access: a stranger gets 401."""


def instant(at: datetime) -> str:
    """Write a moment as FHIR does."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def version_tag(version: str) -> str:
    """The ETag of that version: a weak one, as FHIR wants it."""
    return f'W/"{version}"'


def is_known(request: Request, version: str) -> bool:
    """Whether the client has this version already."""
    known = request.headers.get("if-none-match", "")
    return version_tag(version) in {part.strip() for part in known.split(",")}


def unchanged(version: str) -> Response:
    """Answer that the client has the newest version."""
    return Response(status_code=304, headers={"ETag": version_tag(version)})


async def respond(resource: dict[str, Any], *, changed_at: datetime | None = None) -> Response:
    """Answer with the resource, and with the ETag and the time of its version if it has one."""
    body = await asyncio.to_thread(_checked, resource)
    headers = {}
    if version := resource.get("meta", {}).get("versionId"):
        headers["ETag"] = version_tag(version)
    if changed_at is not None:
        headers["Last-Modified"] = format_datetime(changed_at.astimezone(UTC), usegmt=True)
    return Response(body, media_type=MEDIA_TYPE, headers=headers)


def _checked(resource: dict[str, Any]) -> str:
    """Write the resource as JSON. A resource that is not valid FHIR is a fault of ours."""
    from fhir.resources.R4B import get_fhir_model_class

    model = get_fhir_model_class(resource["resourceType"])
    return str(model.model_validate(resource).model_dump_json())
