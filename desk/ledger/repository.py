"""Promises given, in the database, with what became of them; and the line as it stands."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, insert, select

from desk.access.permissions import Scope
from desk.callbacks import repository as rows
from desk.callbacks.claims_repository import ORDER
from desk.callbacks.model import Attempt, AttemptOutcome
from desk.database.engine import Connection
from desk.departments.departments import Policy
from desk.history.history import CALLER, SYSTEM
from desk.inquiries.model import Priority, Status
from desk.ledger.forecast import Given
from desk.promises.model import Promise, PromiseReason
from desk.schema.scope import in_department
from desk.schema.scope import of_callback as of_that_callback
from desk.schema.tables import attempts, callbacks, history, promises, warnings

c = callbacks.c

MOST_IN_LINE = 5000
MOST_PROMISES = 5000
MOST_DEEDS = 400


@dataclass(frozen=True)
class PromiseRow:
    """A promise as it was given. `department` gave it."""

    id: int
    callback_id: str
    department: str
    promise: Promise
    spoken: str
    reason: PromiseReason
    given: Given


@dataclass(frozen=True)
class LineRow:
    """A callback that waits or is claimed."""

    id: str
    status: Status
    priority: Priority
    promise: Promise
    not_before: datetime | None
    created_at: datetime
    claimed_by: str | None
    lease_until: datetime | None
    identified: bool
    with_note: bool


@dataclass(frozen=True)
class WarningRow:
    """A leader was warned of a promise. `predicted_at`: when it would have been rung; None when nobody was on duty."""

    id: int
    at: datetime
    promise_id: int
    callback_id: str
    department: str
    due: datetime
    predicted_at: datetime | None


async def given_since(connection: Connection, department: str, since: datetime, *, scope: Scope) -> list[PromiseRow]:
    """Promises of the department that are due after `since`, by when they are due."""
    query = select(promises).where(in_department(promises.c.department, department, scope), promises.c.due > since)
    query = query.order_by(promises.c.due, promises.c.id).limit(MOST_PROMISES)
    return [_promise(row) for row in await connection.execute(query)]


async def of_callback(connection: Connection, callback_id: str, *, scope: Scope) -> list[PromiseRow]:
    """Every promise of a callback, in the order they were given, by whichever department."""
    query = select(promises).where(*of_that_callback(connection, promises.c.callback_id, callback_id, scope))
    return [_promise(row) for row in await connection.execute(query.order_by(promises.c.id))]


async def tries(connection: Connection, found: Sequence[PromiseRow]) -> Mapping[str, list[Attempt]]:
    """The attempts of those promises' callbacks, by callback."""
    made: dict[str, list[Attempt]] = defaultdict(list)
    for row in await connection.execute(select(attempts).where(_of(attempts.c.callback_id, found))):
        made[row.callback_id].append(Attempt(row.at, row.agent, AttemptOutcome(row.outcome), row.counted, row.note))
    return made


async def closings(connection: Connection, found: Sequence[PromiseRow]) -> Mapping[str, list[datetime]]:
    """When those promises' callbacks were closed, by callback."""
    made: dict[str, list[datetime]] = defaultdict(list)
    query = select(history.c.callback_id, history.c.at).where(_of(history.c.callback_id, found))
    for row in await connection.execute(query.where(history.c.event == "closed")):
        made[row.callback_id].append(row.at)
    return made


async def line(connection: Connection, department: str, *, scope: Scope) -> list[LineRow]:
    """Callbacks that wait or are claimed, the claimed first, then in claim order."""
    query = select(
        *(c.id, c.status, c.priority, c.promise_policy, c.promise_from, c.promise_by, c.not_before, c.created_at),
        *(c.claimed_by, c.lease_until),
        c.patient_index.is_not(None).label("identified"),
        c.note.is_not(None).label("with_note"),
    ).where(in_department(c.department, department, scope), c.status.in_([Status.WAITING.value, Status.CLAIMED.value]))
    found = [_line(row) for row in await connection.execute(query.order_by(*ORDER).limit(MOST_IN_LINE))]
    return sorted(found, key=lambda each: each.status is not Status.CLAIMED)


async def deeds(
    connection: Connection, department: str, since: datetime, *, scope: Scope
) -> list[tuple[datetime, str, str]]:
    """What agents did in the department of late: time, agent and event, oldest first."""
    newest = (
        select(history.c.id, history.c.at, history.c.actor, history.c.event, history.c.callback_id)
        .where(in_department(history.c.department, department, scope))
        .order_by(history.c.id.desc())
        .limit(MOST_DEEDS)
    )
    found = (await connection.execute(newest)).all()
    return [
        (row.at, row.actor, row.event)
        for row in reversed(found)
        if row.actor not in (CALLER, SYSTEM) and row.at > since and row.callback_id is not None
    ]


async def unwarned(connection: Connection, found: Sequence[PromiseRow]) -> list[PromiseRow]:
    """Those of the promises nobody has been warned of."""
    query = select(warnings.c.promise_id).where(warnings.c.promise_id.in_([each.id for each in found]))
    warned = set((await connection.execute(query)).scalars())
    return [each for each in found if each.id not in warned]


async def warn(connection: Connection, promise: PromiseRow, at: datetime, predicted_at: datetime | None) -> None:
    """Write a warning down. `Conflict` when another process was first."""
    await connection.execute(
        insert(warnings).values(
            promise_id=promise.id,
            callback_id=promise.callback_id,
            department=promise.department,
            at=at,
            due=promise.given.due,
            predicted_at=predicted_at,
        )
    )


async def warned(connection: Connection, department: str, after: int, limit: int, *, scope: Scope) -> list[WarningRow]:
    """Warnings of the department with higher ids than `after`, oldest first."""
    query = select(warnings).where(in_department(warnings.c.department, department, scope), warnings.c.id > after)
    found = await connection.execute(query.order_by(warnings.c.id).limit(limit))
    return [
        WarningRow(row.id, row.at, row.promise_id, row.callback_id, row.department, row.due, row.predicted_at)
        for row in found
    ]


def _of(column: ColumnElement[str], found: Sequence[PromiseRow]) -> ColumnElement[bool]:
    ids: Collection[str] = {each.callback_id for each in found}
    return column.in_(list(ids))


def _promise(row: Any) -> PromiseRow:
    return PromiseRow(
        id=row.id,
        callback_id=row.callback_id,
        department=row.department,
        promise=Promise(Policy(row.promise_policy), row.promise_from, row.promise_by),
        spoken=row.promise_spoken,
        reason=PromiseReason(row.reason),
        given=Given(row.at, row.due),
    )


def _line(row: Any) -> LineRow:
    return LineRow(
        id=row.id,
        status=Status(row.status),
        priority=rows.PRIORITY[row.priority],
        promise=Promise(Policy(row.promise_policy), row.promise_from, row.promise_by),
        not_before=row.not_before,
        created_at=row.created_at,
        claimed_by=row.claimed_by,
        lease_until=row.lease_until,
        identified=row.identified,
        with_note=row.with_note,
    )
