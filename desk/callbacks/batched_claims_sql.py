"""Claims and completions of several agents in one statement, which is a unit of work by itself. PostgreSQL only.

These are the transitions of desk/callbacks/transitions.py for the usual case. In any other case the statement changes
nothing, and the caller uses those transitions. Condition, lock, fence, history and attempts are all in the one
statement, so all of it happens or nothing does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, TextualSelect, column, text

from desk.access.actor import Actor
from desk.callbacks.model import Attempt, AttemptOutcome, Callback
from desk.callbacks.repository import read, shown
from desk.database.notify import HISTORY_WRITTEN
from desk.database.unit_of_work import Unit
from desk.ids import CallbackId
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
        cast(:attempt_notes as text[]), cast(:reasons as text[]), cast(:notes as text[]), cast(:scopes as text[])
    ) with ordinality as asked (id, agent, fence, outcome, attempt_note, reason, note, scope, n)
), done as (
    update callbacks c
    set status = 'closed', claimed_by = null, lease_until = null, closed_reason = asked.reason, closed_at = :now,
        note = nullif(concat_ws(chr(10), nullif(c.note, ''), nullif(asked.note, '')), ''), version = c.version + 1
    from asked
    where c.id = any (cast(:ids as uuid[])) and c.id = asked.id and c.status = 'claimed'
    and c.claimed_by = asked.agent and c.fence = asked.fence
    and (asked.scope is null or c.department = any (string_to_array(asked.scope, ',')))
    returning {_SHOWN}, n, asked.agent, asked.outcome, asked.attempt_note
), tried as (
    insert into attempts (callback_id, at, agent, outcome, counted, note)
    select id, :now, agent, outcome, true, attempt_note from done where outcome is not null
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
    """SQL text with the types of its columns."""
    return text(sql).columns(*_COLUMNS)


CLAIM, COMPLETE = statement(_CLAIM), statement(_COMPLETE)


@dataclass(frozen=True)
class Claim:
    """An agent asks for the next in line, up to `limit`."""

    actor: Actor
    limit: int


@dataclass(frozen=True)
class Completion:
    """An agent closes a claimed callback, after an attempt if there is an `outcome`."""

    actor: Actor
    id: CallbackId
    fence: int
    reason: ClosedReason
    note: str | None = None
    outcome: AttemptOutcome | None = None
    attempt_note: str | None = None


async def claim(unit: Unit, department: str, claims: Sequence[Claim], *, lease_until: datetime) -> list[list[Callback]]:
    """Return what each agent gets, in claim order; nothing for anyone while a lease that ran out must be ended first.

    Rows that another unit of work holds are passed over. An agent whose scope is elsewhere gets nothing.
    """
    limits = [each.limit if each.actor.scope.covers(department) else 0 for each in claims]
    agents = [each.actor.name for each, limit in zip(claims, limits, strict=True) for _ in range(limit)]
    values = {"department": department, "agents": agents, "most": len(agents), "lease_until": lease_until}
    found = dict(await _run(unit, CLAIM, values))
    places = iter(range(1, len(agents) + 1))
    return [[found[n] for n in [next(places) for _ in range(limit)] if n in found] for limit in limits]


async def complete(unit: Unit, completions: Sequence[Completion]) -> list[Callback | None]:
    """Return each closed callback; None where the claim is over or the callback is not in the agent's scope."""
    values = {
        "ids": [each.id for each in completions],
        "agents": [each.actor.name for each in completions],
        "fences": [each.fence for each in completions],
        "outcomes": [each.outcome.value if each.outcome else None for each in completions],
        "attempt_notes": [each.attempt_note for each in completions],
        "reasons": [each.reason.value for each in completions],
        "notes": [each.note for each in completions],
        "scopes": [_scope(each.actor) for each in completions],
    }
    found = dict(await _run(unit, COMPLETE, values))
    return [_with_attempt(unit, found.get(n), each) for n, each in enumerate(completions, 1)]


async def _run(unit: Unit, query: TextualSelect, values: dict[str, Any]) -> list[tuple[int, Callback]]:
    rows = (await unit.connection.execute(query, values | {"now": unit.now})).all()
    if rows:
        unit.connection.info[HISTORY_WRITTEN] = True
    return [(row.n, read(unit, row, [_attempt(*each) for each in row.tried or ()])) for row in rows]


def _scope(actor: Actor) -> str | None:
    return None if actor.scope.departments is None else ",".join(actor.scope.departments)


def _attempt(at: str, agent: str, outcome: str, counted: bool, note: str | None) -> Attempt:
    return Attempt(datetime.fromisoformat(at).astimezone(UTC), agent, AttemptOutcome(outcome), counted, note)


def _with_attempt(unit: Unit, callback: Callback | None, completion: Completion) -> Callback | None:
    if callback is None or completion.outcome is None:
        return callback
    made = Attempt(unit.now, completion.actor.name, completion.outcome, True, completion.attempt_note)
    return replace(callback, attempts=(*callback.attempts, made))
