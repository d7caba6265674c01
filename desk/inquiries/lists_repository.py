"""Lists of inquiries, page by page, and how many there are."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, or_, select, tuple_, union_all

from desk.database import cursors
from desk.database.instant import Instant
from desk.database.pages import Page
from desk.database.unit_of_work import Unit
from desk.history.repository import changed_at
from desk.inquiries.claims_repository import ORDER
from desk.inquiries.model import Inquiry, InquiryFilter, Kind, Status
from desk.inquiries.repository import RANK, c, kept, read, shown
from desk.schema.scope import in_scope

MOST_BRANCHES = 100


async def page(unit: Unit, kind: Kind, filters: InquiryFilter, *, cursor: str | None, limit: int) -> Page[Inquiry]:
    """List inquiries, oldest first. The arrival never changes, so pages never repeat or skip one. Raises BadCursor."""
    conditions = [c.kind == kind.value, *_conditions(filters)]
    if cursor is not None:
        at, id = cursors.CALLBACKS.key(cursor)
        conditions.append(tuple_(c.created_at, c.id) > tuple_(literal(at, Instant), literal(id, c.id.type)))
    query = _oldest(unit, filters.status, conditions, limit + 1)
    found = (await unit.connection.execute(query)).all()
    page = Page.cut(found, limit, lambda last: cursors.CALLBACKS.after(last.created_at, last.id))
    return Page([read(unit, row) for row in page.items], page.next_cursor)


async def in_claim_order(
    unit: Unit, kind: Kind, filters: InquiryFilter, *, cursor: str | None, limit: int
) -> Page[Inquiry]:
    """List inquiries in the order in which they are claimed. Raises BadCursor.

    One that is given another priority or promise between two pages may be on both, or on neither.
    """
    conditions = [c.kind == kind.value, *in_scope(unit, c.department), *_conditions(filters)]
    if filters.status is not None:
        conditions.append(c.status.in_([each.value for each in filters.status]))
    if cursor is not None:
        values = zip(cursors.CLAIM_ORDER.key(cursor), ORDER, strict=True)
        conditions.append(tuple_(*ORDER) > tuple_(*(literal(value, column.type) for value, column in values)))
    query = select(*shown).where(*conditions).order_by(*ORDER).limit(limit + 1)
    found = (await unit.connection.execute(query)).all()
    page = Page.cut(
        found,
        limit,
        lambda last: cursors.CLAIM_ORDER.after(last.priority, last.promise_by, last.created_at, last.id),
    )
    return Page([read(unit, row) for row in page.items], page.next_cursor)


async def open_counts(unit: Unit, kind: Kind) -> dict[tuple[str, Status], int]:
    """Count the open inquiries by department and status; a count of zero is left out."""
    open_ones = [status.value for status in Status if status is not Status.CLOSED]
    query = select(c.department, c.status, func.count()).where(c.status.in_(open_ones), c.kind == kind.value)
    query = query.where(*in_scope(unit, c.department)).group_by(c.department, c.status)
    found = await unit.connection.execute(query)
    return {(department, Status(status)): count for department, status, count in found}


def _conditions(filters: InquiryFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [kept]
    if filters.priority is not None:
        conditions.append(c.priority == RANK[filters.priority])
    if filters.language is not None:
        conditions.append(c.language == filters.language)
    if filters.due_before is not None:
        conditions.append(c.promise_by <= filters.due_before)
    if filters.claimed_by is not None:
        conditions.append(c.claimed_by == filters.claimed_by)
    if filters.topic is not None:
        conditions.append(c.topic == filters.topic if filters.topic else c.topic.is_(None))
    if filters.text is not None:
        conditions.append(c.note.icontains(filters.text, autoescape=True))
    if filters.suspected is not None:
        conditions.append(c.suspected.is_(filters.suspected))
    if filters.closed_for is not None:
        reasons = [each.value for each in filters.closed_for]
        conditions.append(or_(c.closed_reason.is_(None), c.closed_reason.in_(reasons)))
    if filters.changed_since is not None:
        conditions.append(changed_at >= literal(filters.changed_since, Instant))
    if filters.changed_before is not None:
        conditions.append(changed_at < literal(filters.changed_before, Instant))
    if filters.ids is not None:
        conditions.append(c.id.in_(list(filters.ids)))
    if filters.other_than is not None:
        conditions.append(c.id.not_in(list(filters.other_than)))
    return conditions


def _oldest(
    unit: Unit, status: Collection[Status] | None, conditions: list[ColumnElement[bool]], limit: int
) -> Select[Any]:
    """Select the oldest `limit` rows. Each (department, status) is read along its own index and the ends are merged.

    So a page costs the same however many rows have other statuses. An `IN` over both would sort them all.
    """
    departments = sorted(unit.scope.departments or ())
    statuses: list[str | None] = [None] if status is None else [each.value for each in set(status)]
    pairs = [(department, each) for department in departments for each in statuses]
    if not 0 < len(pairs) <= MOST_BRANCHES:
        rows = select(*shown).where(*in_scope(unit, c.department), *conditions)
        if status is not None:
            rows = rows.where(c.status.in_([each.value for each in status]))
        return rows.order_by(c.created_at, c.id).limit(limit)
    if len(pairs) == 1:
        return select(*shown).where(*_in_pair(*pairs[0]), *conditions).order_by(c.created_at, c.id).limit(limit)
    branches = []
    for pair in pairs:
        branch = select(c.id, c.created_at).where(*_in_pair(*pair), *conditions)
        branch_rows = branch.order_by(c.created_at, c.id).limit(limit).subquery()
        branches.append(select(branch_rows.c.id, branch_rows.c.created_at))
    merged = union_all(*branches).subquery()
    oldest = select(merged.c.id).order_by(merged.c.created_at, merged.c.id).limit(limit)
    return select(*shown).where(c.id.in_(oldest)).order_by(c.created_at, c.id)


def _in_pair(department: str, status: str | None) -> list[ColumnElement[bool]]:
    return [c.department == department, *([] if status is None else [c.status == status])]
