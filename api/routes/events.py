"""What happens to callbacks, as it happens."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from pydantic import WithJsonSchema

from api.auth.access import Reader
from api.openapi import API, problems
from api.routes.parameters import NO_DEPARTMENT, DepartmentQuery
from api.web.events.live import EventReader
from api.web.events.stream import HEARTBEAT_SECONDS, EventStream
from desk.access.permissions import Permission

router = APIRouter(prefix=f"{API}/events", tags=["events"])

EVENT = {
    "type": "object",
    "description": "One event of the stream.",
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
            "`event: reset` instead: what was missed can't be told, ask for the lists anew."
        ),
        "content": {"text/event-stream": {"schema": EVENT}},
    }
}

MOST = 2**63 - 1
LastEventId = Annotated[
    int | None,
    Header(alias="Last-Event-ID", ge=0, le=MOST, description="The last `id` you got; without it, from now on."),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MOST}),  # a header is there or not, and never null
]
Seconds = Annotated[
    int | None,
    Query(ge=0, le=3600, description="End after so long; 0: when all there is has been told. Without it, never."),
]


@router.get(
    "",
    operation_id="stream_events",
    response_class=EventStream,
    status_code=200,
    responses={**problems(NO_DEPARTMENT), **STREAM},
)
async def events(
    access: Reader,
    department: DepartmentQuery = None,
    last_event_id: LastEventId = None,
    seconds: Seconds = None,
) -> EventStream:
    """Every change to your callbacks as server-sent events, in order, none left out and none twice.

    Open the stream first and ask for the lists afterwards: then nothing falls between. A quiet stream says that it is
    there every 15 seconds. When it ends, for whatever reason, come back with the last `id`.
    """
    scope = access.looking(department)

    async def still() -> bool:
        agent = await access.credential.still()
        return agent is not None and all(map(agent.scope(Permission.READ).covers, scope.departments or ()))

    reader, live = EventReader(scope, still), access.services.live
    await live.open()
    return EventStream(live, reader, after=last_event_id, seconds=seconds, heartbeat_seconds=HEARTBEAT_SECONDS)
