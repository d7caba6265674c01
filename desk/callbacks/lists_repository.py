"""Lists of callbacks, page by page, and how many there are."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, select, tuple_, union_all

from desk.access.permissions import Scope
from desk.callbacks.model import Callback, CallbackFilter
from desk.callbacks.repository import RANK, c, kept, shown, with_attempts
from desk.database import cursors
from desk.database.engine import Connection
from desk.database.instant import Instant
from desk.database.pages import Page
from desk.inquiries.model import Status
from desk.schema.scope import within

MOST_BRANCHES = 100


async def page(
    connection: Connection, *, scope: Scope, wanted: CallbackFilter, cursor: str | None, limit: int
) -> Page[Callback]:
    """Callbacks of these departments, oldest first. Arrival never changes, so a page never repeats or skips one."""
    conditions = _conditions(wanted)
    if cursor is not None:
        at, id = cursors.callback_place(cursor)
        conditions.append(tuple_(c.created_at, c.id) > tuple_(literal(at, Instant), literal(id, c.id.type)))
    query = _first(connection, scope, wanted.status, conditions, limit + 1)
    found = await with_attempts(connection, (await connection.execute(query)).all())
    items = [stored.callback for stored in found[:limit]]
    more = len(found) > limit
    return Page(items, cursors.after_callback(items[-1].created_at, items[-1].id) if more else None)


async def open_counts(connection: Connection, *, scope: Scope) -> dict[tuple[str, Status], int]:
    """How many callbacks are open, by department and status; what there is none of is left out."""
    open_ones = [status.value for status in Status if status is not Status.CLOSED]
    query = select(c.department, c.status, func.count()).where(c.status.in_(open_ones))
    query = query.where(*within(connection, c.department, scope))
    found = await connection.execute(query.group_by(c.department, c.status))
    return {(department, Status(status)): count for department, status, count in found}


def _conditions(wanted: CallbackFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [kept]
    if wanted.priority is not None:
        conditions.append(c.priority == RANK[wanted.priority])
    if wanted.language is not None:
        conditions.append(c.language == wanted.language)
    if wanted.due_before is not None:
        conditions.append(c.promise_by <= wanted.due_before)
    if wanted.claimed_by is not None:
        conditions.append(c.claimed_by == wanted.claimed_by)
    if wanted.text is not None:
        conditions.append(c.note.icontains(wanted.text, autoescape=True))
    if wanted.ids is not None:
        conditions.append(c.id.in_(list(wanted.ids)))
    if wanted.other_than is not None:
        conditions.append(c.id.not_in(list(wanted.other_than)))
    return conditions


def _first(
    connection: Connection,
    scope: Scope,
    status: Collection[Status] | None,
    conditions: list[ColumnElement[bool]],
    limit: int,
) -> Select[Any]:
    """The oldest `limit` rows. Each (department, status) is read along its own index and the ends are merged.

    So a page costs the same however many rows lie in other statuses; an `IN` over both would sort them all.
    """
    states: list[str | None] = [None] if status is None else [each.value for each in set(status)]
    pairs = [(department, state) for department in sorted(scope.departments or ()) for state in states]
    if not 0 < len(pairs) <= MOST_BRANCHES:
        rows = select(*shown).where(*within(connection, c.department, scope), *conditions)
        if status is not None:
            rows = rows.where(c.status.in_([each.value for each in status]))
        return rows.order_by(c.created_at, c.id).limit(limit)
    if len(pairs) == 1:
        ((department, state),) = pairs
        rows = select(*shown).where(c.department == department, *conditions)
        if state is not None:
            rows = rows.where(c.status == state)
        return rows.order_by(c.created_at, c.id).limit(limit)
    branches = []
    for department, state in pairs:
        branch = select(c.id, c.created_at).where(c.department == department, *conditions)
        if state is not None:
            branch = branch.where(c.status == state)
        branch_rows = branch.order_by(c.created_at, c.id).limit(limit).subquery()
        branches.append(select(branch_rows.c.id, branch_rows.c.created_at))
    merged = union_all(*branches).subquery()
    oldest = select(merged.c.id).order_by(merged.c.created_at, merged.c.id).limit(limit)
    return select(*shown).where(c.id.in_(oldest)).order_by(c.created_at, c.id)
