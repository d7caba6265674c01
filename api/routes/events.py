"""Live changes to callbacks, as server-sent events."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from pydantic import WithJsonSchema

from api.access import Reader
from api.openapi import API, problems
from api.routes.parameters import NO_DEPARTMENT, DepartmentQuery
from api.web.audit_rules import audited
from api.web.events.live import EventReader
from api.web.events.stream import HEARTBEAT_SECONDS, EventStream
from desk.audit.actions import AuditAction

router = APIRouter(prefix=f"{API}/events", tags=["events"])

EVENT = {
    "type": "object",
    "description": "One server-sent event.",
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$"},
        "event": {"enum": ["message", "reset"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["id", "data"],
}
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": (
            "`data` is a JSON object: id, event, at, callback, department, actor, from_status, to_status, version. "
            "An `event: reset` means that missed changes are not available: read the lists again."
        ),
        "content": {"text/event-stream": {"schema": EVENT}},
    }
}

MOST = 2**63 - 1
LastEventId = Annotated[
    int | None,
    Header(
        alias="Last-Event-ID",
        ge=0,
        le=MOST,
        description="The last `id` you received. By default the stream starts now.",
    ),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MOST}),  # a header is present or absent, never null
]
Seconds = Annotated[
    int | None,
    Query(
        ge=0,
        le=3600,
        description="End after this many seconds; 0 ends once everything known is sent. By default never.",
    ),
]


@router.get(
    "",
    operation_id="streamEvents",
    response_class=EventStream,
    status_code=200,
    responses={**problems(NO_DEPARTMENT), **STREAM},
)
@audited(AuditAction.EVENTS, sends=AuditAction.EVENTS_SENT)
async def events(
    access: Reader,
    department: DepartmentQuery = None,
    last_event_id: LastEventId = None,
    seconds: Seconds = None,
) -> EventStream:
    """Stream every change to your callbacks as server-sent events, in order, without gaps or repeats.

    Open the stream before you read the lists, so that no change falls in between. A quiet stream sends a heartbeat
    every 15 seconds. When it ends, for any reason, reconnect with the last `id`.
    """
    actor = access.reading(department)

    still = partial(access.credential.still_reads, actor)
    reader, live = EventReader(actor, still, access.credential.name), access.services.live
    await live.open(reader.credential)
    return EventStream(live, reader, after=last_event_id, seconds=seconds, heartbeat_seconds=HEARTBEAT_SECONDS)
