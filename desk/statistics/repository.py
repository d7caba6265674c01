"""The tallies in the database, and the rows that they are counted from."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, exists, func, insert, literal_column, or_, select, tuple_, update

from desk.database.inserting import insert_into
from desk.database.unit_of_work import Unit
from desk.inquiries.repository import PRIORITY
from desk.ledger.repository import window
from desk.schema.scope import in_scope
from desk.schema.tables import calls, history, inquiries, promises, tallied, tallies, tally_progress
from desk.statistics.counting import CountedCall, CountedCallback, Event, GivenPromise
from desk.statistics.model import SERIES, Cell, Count, Grain

AGAIN_WITHIN: Final = timedelta(minutes=10)
ONLY: Final = 1
"""The id of the one row that says how far the tallies are."""

OVER_TIME: Final = "(over time)"
"""Shown as the detail where the sum that is stored for the series is wrong."""

c = tallies.c
p = tally_progress.c
KEY: Final = (c.grain, c.department, c.period)
Sheet = tuple[str, str, date]
"""A row of the tallies: its grain, department and period."""
Counts = dict[str, dict[str, int]]
"""Counts by measure and detail."""


@dataclass(frozen=True)
class TallyProgress:
    """How far the tallies are: the last history row, and promises due by that moment."""

    history_id: int
    due_upto: datetime


async def progress(unit: Unit) -> TallyProgress:
    """Lock how far the tallies are, so that one process counts at a time. Raises Conflict if another began first."""
    found = (await unit.connection.execute(select(tally_progress).with_for_update())).one_or_none()
    if found is not None:
        return TallyProgress(found.history_id, found.due_upto)
    oldest = (await unit.connection.execute(select(func.min(promises.c.due)))).scalar_one_or_none()
    start = TallyProgress(0, (oldest or unit.now) - timedelta(seconds=1))
    values = {"id": ONLY, "history_id": start.history_id, "due_upto": start.due_upto}
    await unit.connection.execute(insert(tally_progress).values(values))
    return start


async def is_behind(unit: Unit, upto: int) -> bool:
    """Whether there is something to count: a row of the history, a promise that was due, or a call."""
    found = (await unit.connection.execute(select(tally_progress))).one_or_none()
    if found is None or found.history_id < upto:
        return True
    due = select(promises.c.id).where(promises.c.due > found.due_upto, promises.c.due <= unit.now)
    for query in (due, select(calls.c.id).where(calls.c.to_tally)):
        if (await unit.connection.execute(query.limit(1))).first() is not None:
            return True
    return False


async def advance(unit: Unit, to: TallyProgress) -> None:
    """Record how far the tallies are."""
    values = {"history_id": to.history_id, "due_upto": to.due_upto}
    await unit.connection.execute(update(tally_progress).where(p.id == ONLY).values(values))


async def touched(unit: Unit, after: int, upto: int, limit: int) -> tuple[list[str], int]:
    """Return the inquiries in the next rows of the history, and the last of these rows."""
    query = select(history.c.id, history.c.inquiry_id).where(history.c.id > after, history.c.id <= upto)
    rows = (await unit.connection.execute(query.order_by(history.c.id).limit(limit))).all()
    reached = rows[-1].id if len(rows) == limit else max(after, upto)
    return list(dict.fromkeys(row.inquiry_id for row in rows if row.inquiry_id)), reached


async def came_due(unit: Unit, after: datetime, upto: datetime, limit: int) -> tuple[list[str], datetime]:
    """Return the inquiries whose promises were due after `after`, and until when these are all of them."""
    due = promises.c.due
    query = select(promises.c.inquiry_id, due).where(due > after, due <= upto).order_by(due)
    rows = (await unit.connection.execute(query.limit(limit))).all()
    if len(rows) == limit:  # several may be due at once: take all of the last moment
        upto = rows[-1].due
        rest = select(promises.c.inquiry_id).where(due == upto)
        ids = [row.inquiry_id for row in rows] + list((await unit.connection.execute(rest)).scalars())
        return list(dict.fromkeys(ids)), upto
    return list(dict.fromkeys(row.inquiry_id for row in rows)), upto


async def callbacks(unit: Unit, ids: Sequence[str]) -> Mapping[str, CountedCallback]:
    """Read what is counted of these callbacks."""
    execute = unit.connection.execute
    i, h = inquiries.c, history.c
    events: dict[str, list[Event]] = defaultdict(list)
    columns = (h.inquiry_id, h.at, h.department, h.event, h.to_status, h.details, _opens_hour(unit))
    for row in await execute(select(*columns).where(h.inquiry_id.in_(ids)).order_by(h.id)):
        d = row.details
        events[row.inquiry_id].append(
            Event(
                *(row.at, row.department, row.event, row.to_status),
                outcome=d.get("outcome"),
                in_hours=bool(d.get("in_hours")),
                reason=d.get("reason"),
                opens_hour=row.opens_hour,
            )
        )
    given: dict[str, list[GivenPromise]] = defaultdict(list)
    for row in await execute(select(promises).where(promises.c.inquiry_id.in_(ids)).order_by(promises.c.id)):
        given[row.inquiry_id].append(GivenPromise(row.department, row.at, row.reason, window(row)))
    found = await execute(select(i.id, i.language, i.topic, i.priority).where(i.id.in_(ids)))
    return {
        row.id: CountedCallback(row.language, row.topic, PRIORITY[row.priority].value, events[row.id], given[row.id])
        for row in found
    }


def _opens_hour(unit: Unit) -> ColumnElement[bool]:
    """Whether a row of the history is the agent's first attempt for the department in that hour."""
    attempt: ColumnElement[str] = literal_column("'attempt'")  # so that the index of attempts fits
    h, before = history.c, history.alias("before").c
    hour = func.date_trunc("hour", h.at) if unit.connection.dialect.name == "postgresql" else func.substr(h.at, 1, 13)
    same = (before.event == attempt, before.actor == h.actor, before.department == h.department)
    earlier = exists().where(*same, before.at >= hour, before.id < h.id)
    return and_(h.event == attempt, ~earlier).label("opens_hour")


async def counted_before(unit: Unit, ids: Sequence[str]) -> Mapping[str, list[Count]]:
    """Return what the tallies have of these callbacks."""
    rows = await unit.connection.execute(select(tallied).where(tallied.c.inquiry_id.in_(ids)))
    return {row.inquiry_id: [Count(*each) for each in row.counts] for row in rows}


async def store_counted(unit: Unit, counts: Mapping[str, Sequence[Count]]) -> None:
    """Store what the tallies have of these callbacks."""
    if not counts:
        return
    statement = insert_into(unit.connection, tallied)
    statement = statement.on_conflict_do_update(
        index_elements=["inquiry_id"], set_={"counts": statement.excluded.counts}
    )
    values = [{"inquiry_id": id, "counts": [list(each) for each in found]} for id, found in counts.items()]
    await unit.connection.execute(statement, values)


async def add(unit: Unit, added: Mapping[Cell, int]) -> None:
    """Add to the tallies. The lock on the progress keeps others from it."""
    changed = [(cell, n) for cell, n in added.items() if n]
    if not changed:
        return
    wanted = {cell[:3] for cell, _ in changed}
    found = await unit.connection.execute(select(*KEY, c.counts).where(tuple_(*KEY).in_(sorted(wanted))))
    sheets: dict[Sheet, Counts] = {(row.grain, row.department, row.period): row.counts for row in found}
    for cell, n in changed:
        details = sheets.setdefault(cell[:3], {}).setdefault(cell.measure, {})
        details[cell.detail] = details.get(cell.detail, 0) + n
    await _store(unit, {key: sheets[key] for key in sorted(wanted)})


async def _store(unit: Unit, sheets: Mapping[Sheet, Counts]) -> None:
    if not sheets:
        return
    statement = insert_into(unit.connection, tallies)
    columns = (*(measure.value for measure in SERIES), "counts")
    new = {name: statement.excluded[name] for name in columns}
    statement = statement.on_conflict_do_update(index_elements=["grain", "department", "period"], set_=new)
    await unit.connection.execute(statement, [_values(key, counts) for key, counts in sheets.items()])


def _values(key: Sheet, counts: Counts) -> dict[str, Any]:
    grain, department, period = key
    totals = {measure.value: sum(counts.get(measure.value, {}).values()) for measure in SERIES}
    some = {measure: {detail: n for detail, n in details.items() if n} for measure, details in counts.items()}
    shown = {measure: details for measure, details in some.items() if details}
    return {"grain": grain, "department": department, "period": period, **totals, "counts": shown}


async def uncounted_calls(unit: Unit, limit: int) -> Sequence[Any]:
    """Lock calls that have changed since they were counted."""
    query = select(calls).where(calls.c.to_tally).order_by(calls.c.id).limit(limit)
    return (await unit.connection.execute(query.with_for_update(skip_locked=True))).all()


def counted_call(row: Any) -> CountedCall:
    """Read what is counted of a call."""
    confirmed = row.callback_id is not None
    return CountedCall(row.department, row.at, confirmed, row.step, row.why, row.prompts, row.followed)


def counts_stored(row: Any) -> list[Count] | None:
    """Return what the tallies have of a call; None if it has never been counted."""
    return [Count(*each) for each in row.tallied] if row.tallied is not None else None


async def store_counted_call(unit: Unit, row: Any, counts: Sequence[Count]) -> None:
    """Store what the tallies have of a locked call."""
    values = {"to_tally": False, "tallied": [list(each) for each in counts]}
    await unit.connection.execute(update(calls).where(calls.c.id == row.id).values(values))


async def mark_followed(unit: Unit, row: Any) -> None:
    """Mark the last call from the same number to the department, if it came within ten minutes before this one."""
    if row.phone is None:
        return
    k = calls.c
    before = select(k.id).where(
        *(k.phone == row.phone, k.department == row.department, k.id != row.id, k.forgotten_at.is_(None)),
        *(k.at > row.at - AGAIN_WITHIN, or_(k.at < row.at, and_(k.at == row.at, k.id < row.id))),
    )
    last = before.order_by(k.at.desc(), k.id.desc()).limit(1).scalar_subquery()
    await unit.connection.execute(update(calls).where(k.id == last, ~k.followed).values(followed=True, to_tally=True))


async def stored(unit: Unit) -> Mapping[Cell, int]:
    """Return all tallies. What is stored of a measure over time must equal its sum, or is returned as a cell."""
    found: dict[Cell, int] = {}
    for row in await unit.connection.execute(select(tallies)):
        key = (row.grain, row.department, row.period)
        for measure, details in row.counts.items():
            found.update({Cell(*key, measure, detail): n for detail, n in details.items()})
        for measure in SERIES:
            n = row._mapping[measure.value]
            if n != sum(row.counts.get(measure.value, {}).values()):
                found[Cell(*key, measure.value, OVER_TIME)] = n
    return found


async def replace_all(unit: Unit, found: Mapping[Cell, int]) -> None:
    """Replace the tallies."""
    await unit.connection.execute(tallies.delete())
    sheets: dict[Sheet, Counts] = {}
    for cell, n in found.items():
        sheets.setdefault(cell[:3], {}).setdefault(cell.measure, {})[cell.detail] = n
    await _store(unit, sheets)


async def ids_after(unit: Unit, after: str | None, limit: int) -> list[str]:
    """Return ids of inquiries in order, to go through all of them."""
    query = select(inquiries.c.id).order_by(inquiries.c.id).limit(limit)
    if after is not None:
        query = query.where(inquiries.c.id > after)
    return list((await unit.connection.execute(query)).scalars())


async def calls_after(unit: Unit, after: int, limit: int) -> Sequence[Any]:
    """Return calls in order, to go through all of them."""
    query = select(calls).where(calls.c.id > after).order_by(calls.c.id).limit(limit)
    return (await unit.connection.execute(query)).all()


@dataclass(frozen=True)
class Part:
    """A part of a range of days, and the cells it is read from."""

    grain: Grain
    first: date
    last: date


async def sheets(unit: Unit, parts: Sequence[Part], departments: Sequence[str]) -> list[tuple[str, Counts]]:
    """Read the counts of each department in these parts, as (department, counts)."""
    query = select(c.department, c.counts).where(or_(*(_within(part) for part in parts)))
    query = query.where(*in_scope(unit, c.department), c.department.in_(departments))
    return [(row.department, row.counts) for row in await unit.connection.execute(query)]


async def series(unit: Unit, parts: Sequence[Part], departments: Sequence[str]) -> list[Any]:
    """Sum what is shown over time, by period."""
    sums = [func.sum(c[measure.value]).label(measure.value) for measure in SERIES]
    query = select(c.period, *sums).where(or_(*(_within(part) for part in parts))).group_by(c.period)
    query = query.where(*in_scope(unit, c.department), c.department.in_(departments))
    return list((await unit.connection.execute(query)).all())


def _within(part: Part) -> ColumnElement[bool]:
    return and_(c.grain == part.grain.value, c.period >= part.first, c.period <= part.last)
