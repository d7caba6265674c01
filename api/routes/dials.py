"""Click to call: have the exchange ring you, and then the patient. Thin: the rules are the desk's."""

from typing import Final
from uuid import UUID

from fastapi import APIRouter

from api.auth.access import Reader, Worker
from api.openapi import API, problems
from api.routes.parameters import CONFLICT
from api.schemas.dials import DialIn, DialOut
from api.web.problems import Statuses
from desk.dials.errors import (
    DialCapReached,
    DialInProgress,
    DialLost,
    DialNotFound,
    DialOver,
    NoAgentPhone,
    OutsideRingingHours,
)
from desk.numbers.errors import InvalidPhoneName

router = APIRouter(prefix=f"{API}/callbacks", tags=["dials"])

STATUSES: Final[Statuses] = {
    DialNotFound: 404,
    DialInProgress: 409,
    DialOver: 409,
    DialLost: 409,
    OutsideRingingHours: 409,
    NoAgentPhone: 409,
    InvalidPhoneName: 422,
    DialCapReached: 429,
}

NO_DIAL = (404, "There is no such callback, or nobody has asked for it to be dialled.")


@router.post(
    "/{id:uuid}/dial",
    operation_id="dial",
    status_code=202,
    responses=problems(
        (404, "There is no such callback."),
        (409, "The claim is not yours, a call is in progress, you have no phone, or it is outside the hours."),
        (429, "No more calls today: the limit for this number or for you is reached."),
    ),
)
async def dial(id: UUID, body: DialIn, access: Worker) -> DialOut:
    """Ring my phone, and when I have answered, the patient, with the department's number shown.

    Busy, no answer and a line that is cut off are recorded as attempts by themselves. Once the patient has answered,
    the outcome is yours to tell. The same request again gives the dial in progress.
    """
    agent, dials = access.agent, access.services.dials
    return DialOut.of(await dials.request(str(id), agent.name, body.fence, agent.phone, scope=access.scope))


@router.get("/{id:uuid}/dial", operation_id="get_dial", responses=problems(NO_DIAL))
async def get_dial(id: UUID, access: Reader) -> DialOut:
    """The newest dial of the callback."""
    return DialOut.of(await access.services.dials.latest(str(id), scope=access.scope))


@router.delete("/{id:uuid}/dial", operation_id="cancel_dial", status_code=202, responses=problems(NO_DIAL, CONFLICT))
async def cancel_dial(id: UUID, access: Worker) -> DialOut:
    """End my dial, whatever it has come to: both are hung up. `state` is `ended` once that is done."""
    return DialOut.of(await access.services.dials.cancel(str(id), access.agent.name, scope=access.scope))
