"""Recordings of what a caller says the call is about."""

from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response

from api.access import Worker
from api.openapi import API, problems
from api.schemas.fields import CallbackPath
from api.web.audit_rules import audited
from api.web.problems import Statuses
from desk.audit.actions import AuditAction
from desk.recordings.errors import RecordingNotFound

router = APIRouter(prefix=f"{API}/callbacks", tags=["callbacks"])

STATUSES: Final[Statuses] = {
    RecordingNotFound: 404,
}

WAV = "audio/wav"
NAMED = 'inline; filename="recording.wav"'
"""A file name that identifies no one, for clients that save it."""


@router.get(
    "/{id:uuid}/recording",
    operation_id="getRecording",
    response_class=Response,
    responses={
        200: {
            "description": "16 bit, 8 kHz, mono; a minute at most.",
            "content": {WAV: {"schema": {"type": "string", "format": "binary"}}},
        },
        **problems((404, "There is no such callback, or it has no recording.")),
    },
)
@audited(AuditAction.GET_RECORDING)
async def get_recording(id: CallbackPath, access: Worker) -> Response:
    """Return what the caller said the call is about. Each read is recorded in the history, with your name.

    Keep no copy: the recording is deleted with the callback's other data.
    """
    sound = await access.services.recordings.hear(access.actor, id)
    return Response(sound, media_type=WAV, headers={"Cache-Control": "no-store", "Content-Disposition": NAMED})
