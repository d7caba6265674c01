"""What the caller said their call is about. Thin: sealing, and who heard it, are the desk's."""

from typing import Final
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from api.auth.access import Worker
from api.openapi import API, problems
from api.web.problems import Statuses
from desk.recordings.errors import RecordingNotFound

router = APIRouter(prefix=f"{API}/callbacks", tags=["callbacks"])

STATUSES: Final[Statuses] = {
    RecordingNotFound: 404,
}

WAV = "audio/wav"
NAMED = 'inline; filename="recording.wav"'
"""A name of ours, that tells of nobody, for who saves it all the same."""


@router.get(
    "/{id:uuid}/recording",
    operation_id="get_recording",
    response_class=Response,
    responses={
        200: {
            "description": "16 bit, 8 kHz, mono; a minute at most.",
            "content": {WAV: {"schema": {"type": "string", "format": "binary"}}},
        },
        **problems((404, "There is no such callback, or it has no recording.")),
    },
)
async def get_recording(id: UUID, access: Worker) -> Response:
    """What the caller said it is about. Each time it is fetched is recorded in the callback's history, with your name.

    Keep no copy: it is deleted with the callback's other data.
    """
    sound = await access.services.recordings.hear(access.actor, str(id))
    return Response(sound, media_type=WAV, headers={"Cache-Control": "no-store", "Content-Disposition": NAMED})
