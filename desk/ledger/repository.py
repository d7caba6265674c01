"""Promises in the database with what became of them, warnings, and a department's queue as the ledger reads it."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, insert, select

from desk.access.actor import CALLER, SYSTEM
from desk.database.unit_of_work import Unit
from desk.departments.departments import Policy
from desk.ids import CallbackId
from desk.inquiries.claims_repository import ORDER
from desk.inquiries.model import Status
from desk.inquiries.repository import PRIORITY
from desk.ledger.model import PromiseRecord, PromiseWarning, QueuedCallback
from desk.promises.keeping import PromiseWindow, TimedAttempt
from desk.promises.model import Promise, PromiseReason
from desk.promises.rules import INSTANT
from desk.schema.scope import about, is_department
from desk.schema.tables import history, inquiries, promises, warnings

c = inquiries.c

MOST_IN_QUEUE = 5000
MOST_PROMISES = 5000
MOST_EVENTS = 400


async def made_since(unit: Unit, department: str, since: datetime) -> list[PromiseRecord]:
    """Return the department's promises that are due after `since`, by due time."""
    query = select(promises).where(is_department(unit, promises.c.department, department), promises.c.due > since)
    query = query.order_by(promises.c.due, promises.c.id).limit(MOST_PROMISES)
    return [_promise(row) for row in await unit.connection.execute(query)]


async def of_callback(unit: Unit, id: CallbackId) -> list[PromiseRecord]:
    """Return every promise of a callback in the order they were made, by whichever department."""
    query = select(promises).where(*about(unit, promises.c.inquiry_id, id))
    return [_promise(row) for row in await unit.connection.execute(query.order_by(promises.c.id))]


async def tries(unit: Unit, found: Sequence[PromiseRecord]) -> Mapping[CallbackId, list[TimedAttempt]]:
    """Return the attempts of those promises' callbacks, by callback."""
    made: dict[CallbackId, list[TimedAttempt]] = defaultdict(list)
    query = select(history.c.inquiry_id, history.c.at, history.c.details).where(_of(history.c.inquiry_id, found))
    for row in await unit.connection.execute(query.where(history.c.event == "attempt")):
        made[row.inquiry_id].append(TimedAttempt(row.at, row.details["in_hours"]))
    return made


async def closings(unit: Unit, found: Sequence[PromiseRecord]) -> Mapping[CallbackId, list[datetime]]:
    """Return when those promises' callbacks were closed, by callback."""
    made: dict[CallbackId, list[datetime]] = defaultdict(list)
    query = select(history.c.inquiry_id, history.c.at).where(_of(history.c.inquiry_id, found))
    for row in await unit.connection.execute(query.where(history.c.event == "closed")):
        made[row.inquiry_id].append(row.at)
    return made


async def queue(unit: Unit, department: str) -> list[QueuedCallback]:
    """Return the callbacks that wait or are claimed: the claimed first, then in claim order."""
    query = select(
        *(c.id, c.status, c.priority, c.promise_policy, c.promise_from, c.promise_by, c.not_before, c.created_at),
        *(c.claimed_by, c.lease_until),
        c.patient_index.is_not(None).label("identified"),
        c.note.is_not(None).label("with_note"),
    ).where(is_department(unit, c.department, department), c.status.in_([Status.WAITING.value, Status.CLAIMED.value]))
    found = await unit.connection.execute(query.order_by(*ORDER).limit(MOST_IN_QUEUE))
    return sorted((_queued(row) for row in found), key=lambda each: each.status is not Status.CLAIMED)


async def agent_events(unit: Unit, department: str, since: datetime) -> list[tuple[datetime, str, str]]:
    """Return what agents did in the department recently: time, agent and event, oldest first."""
    newest = (
        select(history.c.id, history.c.at, history.c.actor, history.c.event, history.c.inquiry_id)
        .where(is_department(unit, history.c.department, department))
        .order_by(history.c.id.desc())
        .limit(MOST_EVENTS)
    )
    found = (await unit.connection.execute(newest)).all()
    return [
        (row.at, row.actor, row.event)
        for row in reversed(found)
        if row.actor not in (CALLER.name, SYSTEM.name) and row.at > since and row.inquiry_id is not None
    ]


async def unwarned(unit: Unit, found: Sequence[PromiseRecord]) -> list[PromiseRecord]:
    """Return those of the promises that have no warning."""
    query = select(warnings.c.promise_id).where(warnings.c.promise_id.in_([each.id for each in found]))
    warned = set((await unit.connection.execute(query)).scalars())
    return [each for each in found if each.id not in warned]


async def add_warning(unit: Unit, promise: PromiseRecord, predicted_at: datetime | None) -> None:
    """Add a warning. Raises Conflict if another process was first."""
    await unit.connection.execute(
        insert(warnings).values(
            promise_id=promise.id,
            inquiry_id=promise.callback_id,
            department=promise.department,
            at=unit.now,
            due=promise.window.due,
            predicted_at=predicted_at,
        )
    )


async def warnings_after(unit: Unit, department: str, after: int, limit: int) -> list[PromiseWarning]:
    """Return warnings of the department with higher ids than `after`, oldest first."""
    query = select(warnings).where(is_department(unit, warnings.c.department, department), warnings.c.id > after)
    found = await unit.connection.execute(query.order_by(warnings.c.id).limit(limit))
    return [
        PromiseWarning(row.id, row.at, row.promise_id, row.inquiry_id, row.department, row.due, row.predicted_at)
        for row in found
    ]


def _of(column: ColumnElement[str], found: Sequence[PromiseRecord]) -> ColumnElement[bool]:
    ids: Collection[str] = {each.callback_id for each in found}
    return column.in_(list(ids))


def window(row: Any) -> PromiseWindow:
    """Read a promise's window. An attempt that led to a promise is made at the same moment, and does not keep it."""
    made = row.at + INSTANT if row.reason == PromiseReason.ATTEMPT.value else row.at
    return PromiseWindow(made, row.promise_from, row.due)


def _promise(row: Any) -> PromiseRecord:
    return PromiseRecord(
        id=row.id,
        callback_id=row.inquiry_id,
        department=row.department,
        promise=Promise(Policy(row.promise_policy), row.promise_from, row.promise_by),
        spoken=row.promise_spoken,
        reason=PromiseReason(row.reason),
        window=window(row),
    )


def _queued(row: Any) -> QueuedCallback:
    return QueuedCallback(
        id=row.id,
        status=Status(row.status),
        priority=PRIORITY[row.priority],
        promise=Promise(Policy(row.promise_policy), row.promise_from, row.promise_by),
        not_before=row.not_before,
        created_at=row.created_at,
        claimed_by=row.claimed_by,
        lease_until=row.lease_until,
        identified=row.identified,
        with_note=row.with_note,
    )
