"""Claims and completions of several agents in one statement, which is a unit of work by itself. PostgreSQL only.

The same moves as in desk/callbacks/transitions.py, for the case that nothing stands in their way: what does is left
to be told there.
Condition, lock, fence, history and attempts are all in the one statement, so it is done whole or not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, TextualSelect, column, text

from desk.access.permissions import Scope
from desk.callbacks.model import Attempt, AttemptOutcome
from desk.callbacks.repository import Stored, read, shown
from desk.database.engine import Connection
from desk.database.notify import HISTORY_WRITTEN
from desk.inquiries.model import ClosedReason

_SHOWN = ", ".join(f"c.{each.name}" for each in shown)
_MINE = ", ".join(each.name for each in shown)
_TRIED = """(
    select json_agg(json_build_array(a.at, a.agent, a.outcome, a.counted, a.note) order by a.id)
    from attempts a where a.callback_id = {of}.id
) as tried"""
_COLUMNS = (*(column(each.name, each.type) for each in shown), column("n", BigInteger), column("tried", JSON))

_CLAIM = f"""
with asked as (
    select agent, n from unnest(cast(:agents as text[])) with ordinality as asked (agent, n)
), next_in_line as (
    select c.id, c.priority, c.promise_by, c.created_at from callbacks c
    where c.department = :department and c.status = 'waiting' and (c.not_before is null or c.not_before <= :now)
    and not exists (
        select from callbacks late
        where late.department = :department and late.status = 'claimed' and late.lease_until <= :now
    )
    order by c.priority, c.promise_by, c.created_at, c.id limit :most for no key update skip locked
), numbered as (
    select id, row_number() over (order by priority, promise_by, created_at, id) as n from next_in_line
), taken as (
    update callbacks c
    set status = 'claimed', claimed_by = asked.agent, lease_until = :lease_until, fence = c.fence + 1,
        version = c.version + 1
    from numbered join asked using (n)
    where c.id = any (array(select id from next_in_line)) and c.id = numbered.id and c.status = 'waiting'
    returning {_SHOWN}, n
), noted as (
    insert into history (callback_id, department, at, event, actor, from_status, to_status, details, version)
    select id, department, :now, 'claimed', claimed_by, 'waiting', 'claimed', '{{}}', version from taken order by n
)
select {_MINE}, n, {_TRIED.format(of="taken")} from taken order by n
"""

_COMPLETE = f"""
with asked as (
    select * from unnest(
        cast(:ids as uuid[]), cast(:agents as text[]), cast(:fences as integer[]), cast(:outcomes as text[]),
        cast(:tried_notes as text[]), cast(:reasons as text[]), cast(:notes as text[]), cast(:scopes as text[])
    ) with ordinality as asked (id, agent, fence, outcome, tried_note, reason, note, scope, n)
), done as (
    update callbacks c
    set status = 'closed', claimed_by = null, lease_until = null, closed_reason = asked.reason, closed_at = :now,
        note = nullif(concat_ws(chr(10), nullif(c.note, ''), nullif(asked.note, '')), ''), version = c.version + 1
    from asked
    where c.id = any (cast(:ids as uuid[])) and c.id = asked.id and c.status = 'claimed'
    and c.claimed_by = asked.agent and c.fence = asked.fence
    and (asked.scope is null or c.department = any (string_to_array(asked.scope, ',')))
    returning {_SHOWN}, n, asked.agent, asked.outcome, asked.tried_note
), tried as (
    insert into attempts (callback_id, at, agent, outcome, counted, note)
    select id, :now, agent, outcome, true, tried_note from done where outcome is not null
), noted as (
    insert into history (callback_id, department, at, event, actor, from_status, to_status, details, version)
    select done.id, done.department, :now, e.event, done.agent, e.from_status, e.to_status, e.details, e.version
    from done cross join lateral (values
        (1, 'attempt', null, null, json_build_object('outcome', done.outcome, 'counted', true), done.version - 1),
        (2, 'closed', 'claimed', 'closed', json_build_object('reason', done.closed_reason), done.version)
    ) as e (place, event, from_status, to_status, details, version)
    where e.place = 2 or done.outcome is not null
    order by done.n, e.place
)
select {_MINE}, n, {_TRIED.format(of="done")} from done
"""


def statement(sql: str) -> TextualSelect:
    """With the types of its columns."""
    return text(sql).columns(*_COLUMNS)


CLAIM, COMPLETE = statement(_CLAIM), statement(_COMPLETE)


@dataclass(frozen=True)
class Claim:
    """An agent asks for the next in line, up to `limit`."""

    agent: str
    limit: int
    scope: Scope


@dataclass(frozen=True)
class Completion:
    """An agent is done with a claimed callback: it is closed, after an attempt if there is an `outcome`."""

    id: str
    agent: str
    fence: int
    reason: ClosedReason
    scope: Scope
    note: str | None = None
    outcome: AttemptOutcome | None = None
    tried_note: str | None = None


async def claim(
    connection: Connection, department: str, asked: Sequence[Claim], *, now: datetime, lease_until: datetime
) -> list[list[Stored]]:
    """What each gets, in claim order; nothing for anybody while a lease that ran out is to be ended.

    Rows another unit of work holds are passed over. Who asks from outside the department gets none.
    """
    limits = [each.limit if each.scope.covers(department) else 0 for each in asked]
    agents = [each.agent for each, limit in zip(asked, limits, strict=True) for _ in range(limit)]
    given = {"department": department, "agents": agents, "most": len(agents), "now": now, "lease_until": lease_until}
    found = {n: stored for n, stored in await _run(connection, CLAIM, given)}
    places = iter(range(1, len(agents) + 1))
    return [[found[n] for n in [next(places) for _ in range(limit)] if n in found] for limit in limits]


async def complete(connection: Connection, asked: Sequence[Completion], now: datetime) -> list[Stored | None]:
    """Each as it is now; None for one whose claim is over, or that there isn't in its scope: nothing was done to it."""
    given = {
        "ids": [each.id for each in asked],
        "agents": [each.agent for each in asked],
        "fences": [each.fence for each in asked],
        "outcomes": [each.outcome.value if each.outcome else None for each in asked],
        "tried_notes": [each.tried_note for each in asked],
        "reasons": [each.reason.value for each in asked],
        "notes": [each.note for each in asked],
        "scopes": [None if each.scope.departments is None else ",".join(each.scope.departments) for each in asked],
        "now": now,
    }
    found = {n: stored for n, stored in await _run(connection, COMPLETE, given)}
    return [_with_attempt(found.get(n), each, now) for n, each in enumerate(asked, 1)]


async def _run(connection: Connection, query: TextualSelect, given: dict[str, Any]) -> list[tuple[int, Stored]]:
    rows = (await connection.execute(query, given)).all()
    if rows:
        connection.info[HISTORY_WRITTEN] = True
    return [(row.n, read(row, [_attempt(*each) for each in row.tried or ()])) for row in rows]


def _attempt(at: str, agent: str, outcome: str, counted: bool, note: str | None) -> Attempt:
    return Attempt(datetime.fromisoformat(at).astimezone(UTC), agent, AttemptOutcome(outcome), counted, note)


def _with_attempt(stored: Stored | None, asked: Completion, now: datetime) -> Stored | None:
    if stored is None:
        return None
    asked.scope.touch(stored.callback.department)
    if asked.outcome is None:
        return stored
    made = Attempt(now, asked.agent, asked.outcome, True, asked.tried_note)
    return replace(stored, callback=replace(stored.callback, attempts=(*stored.callback.attempts, made)))
