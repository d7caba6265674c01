"""Click to call: the exchange calls the agent and then the patient."""

from typing import Final

from fastapi import APIRouter

from api.access import Reader, Worker
from api.openapi import API, problems
from api.routes.parameters import CONFLICT
from api.schemas.dials import DialIn, DialOut
from api.schemas.fields import CallbackPath
from api.web.audit_rules import audited
from api.web.problems import Statuses
from desk.audit.actions import AuditAction
from desk.dials.errors import (
    DialInProgress,
    DialLost,
    DialNotFound,
    DialOver,
    NoAgentPhone,
    NumberNotCallable,
    OutsideRingingHours,
)
from desk.limits.errors import DialCapReached, TrunkBudgetSpent
from desk.numbers.errors import InvalidPhoneName

router = APIRouter(prefix=f"{API}/callbacks", tags=["dials"])

STATUSES: Final[Statuses] = {
    DialNotFound: 404,
    DialInProgress: 409,
    DialOver: 409,
    DialLost: 409,
    OutsideRingingHours: 409,
    NoAgentPhone: 409,
    NumberNotCallable: 409,
    InvalidPhoneName: 409,
    DialCapReached: 429,
    TrunkBudgetSpent: 429,
}

NO_DIAL = (404, "There is no such callback, or no dial was requested for it.")


@router.post(
    "/{id:uuid}/dial",
    operation_id="dial",
    status_code=202,
    responses=problems(
        (404, "There is no such callback."),
        (
            409,
            "The claim is not yours, a call is in progress, you have no phone, it is outside calling hours, or the "
            "number may not be called.",
        ),
        (429, "The daily limit of calls for this number or for you is reached, or the trunk's for one hour."),
    ),
)
@audited(AuditAction.DIAL)
async def dial(id: CallbackPath, body: DialIn, access: Worker) -> DialOut:
    """Call your phone, and once you answer, the patient, showing the department's number.

    Busy, no answer and a cut-off call are recorded as attempts automatically. Once the patient has answered, record
    the outcome yourself. Repeating the request returns the dial in progress.
    """
    return DialOut.of(await access.services.dials.request(access.actor, id, body.fence, access.agent.phone))


@router.get("/{id:uuid}/dial", operation_id="getDial", responses=problems(NO_DIAL))
@audited(AuditAction.GET_DIAL)
async def get_dial(id: CallbackPath, access: Reader) -> DialOut:
    """Return the newest dial of the callback."""
    return DialOut.of(await access.services.dials.latest(access.actor, id))


@router.delete("/{id:uuid}/dial", operation_id="cancelDial", status_code=202, responses=problems(NO_DIAL, CONFLICT))
@audited(AuditAction.CANCEL_DIAL)
async def cancel_dial(id: CallbackPath, access: Worker) -> DialOut:
    """End your dial and hang up both phones. `state` becomes `ended` once that is done."""
    return DialOut.of(await access.services.dials.cancel(access.actor, id))
