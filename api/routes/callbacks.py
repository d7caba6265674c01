"""Callbacks: list, claim, tell how it went, let go. Thin: the rules are the desk's."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api.auth import Reader, Worker
from api.errors import NoPatient
from api.openapi import API, problems
from api.schemas import (
    MAX_LIMIT,
    SLUG,
    AttemptedCallback,
    AttemptIn,
    CallbackOut,
    CallbackPage,
    ClaimedCallback,
    ClaimedCallbacks,
    ClaimIn,
    CloseIn,
    FullPatientOut,
    HistoryOut,
    HistoryRowOut,
    ReleaseIn,
)
from api.wording import what_happens_next
from desk.callbacks import Callback, Status

router = APIRouter(prefix=f"{API}/callbacks", tags=["callbacks"])

NOT_FOUND = (404, "There is no such callback.")
CONFLICT = (409, "The callback is not in a status that allows this, or the claim is not yours.")

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Cursor = Annotated[str | None, Query(max_length=500, description="`next_cursor` of the page before.")]
DepartmentQuery = Annotated[
    str | None, Query(max_length=64, pattern=SLUG, description="A department's slug; without it, all of yours.")
]


@router.get("", responses=problems((404, "There is no such department.")))
async def list_callbacks(
    access: Reader,
    department: DepartmentQuery = None,
    status: Annotated[list[Status] | None, Query(max_length=len(Status), description="Repeat for several.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> CallbackPage:
    """Callbacks, oldest first. The order they are to be rung in is the desk's: take them by claiming."""
    page = await access.parts.desk.list(
        departments=access.departments(department), status=status, cursor=cursor, limit=limit
    )
    return CallbackPage(items=[CallbackOut.of(callback) for callback in page.items], next_cursor=page.next_cursor)


@router.post("/claim", responses=problems((404, "There is no such department.")))
async def claim_next(body: ClaimIn, access: Worker) -> ClaimedCallbacks:
    """Take the next callbacks of a department: no two agents get the same one. An empty list when none waits."""
    (department,) = access.departments(body.department)
    claimed = await access.parts.desk.claim(department, access.agent.name, limit=body.limit)
    access.parts.metrics.count_claims(department, len(claimed))
    return ClaimedCallbacks(items=[_claimed(callback) for callback in claimed])


@router.get("/{id:uuid}", responses=problems(NOT_FOUND))
async def get_callback(id: UUID, access: Reader) -> CallbackOut:
    """One callback as it stands."""
    return CallbackOut.of(await access.callback(str(id)))


@router.get("/{id:uuid}/patient", responses=problems((404, "There is no such callback, or it has no identity number.")))
async def get_patient(id: UUID, access: Worker) -> FullPatientOut:
    """The whole national identity number. Each read is recorded in the callback's history, with your name."""
    callback = await access.callback(str(id))
    patient = await access.parts.desk.patient(callback.id, access.agent.name)
    if patient is None:
        raise NoPatient
    return FullPatientOut.of(patient)


@router.get("/{id:uuid}/history", responses=problems(NOT_FOUND))
async def get_history(id: UUID, access: Reader) -> HistoryOut:
    """Everything that has happened to the callback, oldest first."""
    callback = await access.callback(str(id))
    rows = await access.parts.desk.history(callback.id)
    return HistoryOut(items=[HistoryRowOut.of(row) for row in rows])


@router.post("/{id:uuid}/claim", responses=problems(NOT_FOUND, CONFLICT))
async def claim_named(id: UUID, access: Worker) -> ClaimedCallback:
    """Take this callback. A colleague's claim may be taken over once its lease has run out."""
    callback = await access.callback(str(id))
    claimed = await access.parts.desk.claim_named(callback.id, access.agent.name)
    access.parts.metrics.count_claims(claimed.department, 1)
    return _claimed(claimed)


@router.post("/{id:uuid}/release", responses=problems(NOT_FOUND, CONFLICT))
async def release(id: UUID, body: ReleaseIn, access: Worker) -> CallbackOut:
    """Let go of a claim: the callback waits again, in its old place."""
    callback = await access.callback(str(id))
    return CallbackOut.of(await access.parts.desk.release(callback.id, access.agent.name, body.fence))


@router.post("/{id:uuid}/attempts", responses=problems(NOT_FOUND, CONFLICT))
async def record_attempt(id: UUID, body: AttemptIn, access: Worker) -> AttemptedCallback:
    """Tell how an attempt went; `next` says what happens now."""
    callback = await access.callback(str(id))
    after = await access.parts.desk.record_attempt(
        callback.id, access.agent.name, body.fence, body.outcome, note=body.note
    )
    department = access.parts.departments().get(after.department)
    return AttemptedCallback.of(after, next=what_happens_next(after, department, access.parts.clock.now()))


@router.post("/{id:uuid}/close", responses=problems(NOT_FOUND, CONFLICT))
async def close(id: UUID, body: CloseIn, access: Worker) -> CallbackOut:
    """Close a callback. One that is claimed is closed by its claimer, with the `fence`."""
    callback = await access.callback(str(id))
    closed = await access.parts.desk.close(
        callback.id, access.agent.name, body.reason, fence=body.fence, note=body.note
    )
    return CallbackOut.of(closed)


@router.post("/{id:uuid}/reopen", responses=problems(NOT_FOUND, CONFLICT))
async def reopen(id: UUID, access: Worker) -> CallbackOut:
    """Put a closed or unreachable callback back in the queue."""
    callback = await access.callback(str(id))
    return CallbackOut.of(await access.parts.desk.reopen(callback.id, access.agent.name))


def _claimed(callback: Callback) -> ClaimedCallback:
    return ClaimedCallback.of(callback, fence=callback.fence)
