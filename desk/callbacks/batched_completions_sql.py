"""Completions of several agents in one statement, which is a unit of work by itself. PostgreSQL only.

These are the transitions of desk/callbacks/transitions.py for the usual case: an agent closes what they have claimed.
In any other case the statement changes nothing, and the caller uses those transitions. Condition, fence, history and
attempts are all in the one statement, so all of it happens or nothing does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Integer,
    String,
    TextualSelect,
    Uuid,
    any_,
    cast,
    column,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.sql import FromClause, Insert

from desk.access.actor import Actor
from desk.callbacks.model import Attempt, AttemptOutcome, Callback
from desk.callbacks.repository import CHANNEL
from desk.database.compiled import compiled, parameter
from desk.database.notify import HISTORY, announce
from desk.database.unit_of_work import Unit
from desk.ids import CallbackId
from desk.inquiries import claims_repository as claims
from desk.inquiries.batched_claims_sql import read_with_own, with_own
from desk.inquiries.model import ClosedReason, Kind, Status
from desk.inquiries.repository import shown
from desk.schema.tables import attempts, history, inquiries

NOW, IDS = parameter("now", "timestamptz"), parameter("ids", "uuid[]")
RINGING = parameter("ringing", "text[]")


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


def complete_statement() -> TextualSelect:
    """The statement that closes what several agents have claimed; `n` is a completion's place in the lists."""
    c = inquiries.c
    texts = ("agents", "outcomes", "attempt_notes", "reasons", "notes", "scopes")
    lists = func.unnest(IDS, parameter("fences", "integer[]"), *(parameter(name, "text[]") for name in texts))
    columns: list[ColumnElement[Any]] = [column("id", Uuid(as_uuid=False)), column("fence", Integer)]
    columns += [column(name.removesuffix("s"), String) for name in texts]
    asked = lists.table_valued(*columns, with_ordinality="n", name="asked").render_derived()
    reachable = or_(asked.c.scope.is_(None), c.department == any_(func.string_to_array(asked.c.scope, ",")))
    note = func.concat_ws("\n", func.nullif(c.note, ""), func.nullif(asked.c.note, ""))
    done = (
        update(inquiries)
        .where(
            c.id == any_(IDS),
            c.id == asked.c.id,
            c.kind == Kind.CALLBACK.value,
            *claims.held(asked.c.agent, asked.c.fence),
            reachable,
        )
        .values(
            status=Status.CLOSED.value,
            claimed_by=null(),
            lease_until=null(),
            closed_reason=asked.c.reason,
            closed_at=NOW,
            note=func.nullif(note, ""),
            version=c.version + 1,
        )
        .returning(*shown, asked.c.n, asked.c.agent, asked.c.outcome, asked.c.attempt_note)
        .cte("done")
    )
    answer = with_own(CHANNEL, done)
    return compiled(
        answer.add_cte(_attempts(done).cte("tried"), _history(done).cte("noted")), list(answer.selected_columns)
    )


def _attempts(done: FromClause) -> Insert:
    made = select(done.c.id, NOW, done.c.agent, done.c.outcome, true(), done.c.attempt_note)
    names = ["callback_id", "at", "agent", "outcome", "counted", "note"]
    return insert(attempts).from_select(names, made.where(done.c.outcome.is_not(None)).order_by(done.c.n))


def _history(done: FromClause) -> Insert:
    """First the attempt, if there was one, then that the callback was closed."""
    d = done.c
    details = ("outcome", d.outcome, "counted", true(), "in_hours", d.department == any_(RINGING))
    tried = select(
        *(d.n, literal(1).label("place"), d.id, d.department, literal("attempt").label("event"), d.agent),
        *(cast(null(), String).label("from_status"), cast(null(), String).label("to_status")),
        cast(func.json_build_object(*details), JSON).label("details"),
        (d.version - 1).label("version"),
    ).where(d.outcome.is_not(None))
    closed = select(
        *(d.n, literal(2), d.id, d.department, literal("closed"), d.agent),
        *(literal(Status.CLAIMED.value), literal(Status.CLOSED.value)),
        cast(func.json_build_object("reason", d.closed_reason), JSON),
        d.version,
    )
    events = union_all(tried, closed).subquery("events").c
    return insert(history).from_select(
        ["inquiry_id", "department", "at", "event", "actor", "from_status", "to_status", "details", "version"],
        select(
            *(events.id, events.department, NOW, events.event, events.agent),
            *(events.from_status, events.to_status, events.details, events.version),
        ).order_by(events.n, events.place),
    )


COMPLETE = complete_statement()


async def complete(unit: Unit, completions: Sequence[Completion], ringing: Sequence[str]) -> list[Callback | None]:
    """Return each closed inquiry; None where the claim is over or the callback is not in the agent's scope.

    `ringing`: the departments that may call patients now.
    """
    values = {
        "now": unit.now,
        "ringing": list(ringing),
        "ids": [each.id for each in completions],
        "agents": [each.actor.name for each in completions],
        "fences": [each.fence for each in completions],
        "outcomes": [each.outcome.value if each.outcome else None for each in completions],
        "attempt_notes": [each.attempt_note for each in completions],
        "reasons": [each.reason.value for each in completions],
        "notes": [each.note for each in completions],
        "scopes": [_scope(each.actor) for each in completions],
    }
    rows = (await unit.connection.execute(COMPLETE, values)).all()
    if rows:
        announce(unit.connection.info, HISTORY)
    found = await read_with_own(unit, CHANNEL, rows)
    return [_with_attempt(unit, found.get(n), each) for n, each in enumerate(completions, 1)]


def _scope(actor: Actor) -> str | None:
    return None if actor.scope.departments is None else ",".join(actor.scope.departments)


def _with_attempt(unit: Unit, callback: Callback | None, completion: Completion) -> Callback | None:
    """Add the attempt that the statement has made, unless the attempts were read after it."""
    if callback is None or completion.outcome is None:
        return callback
    made = Attempt(unit.now, completion.actor.name, completion.outcome, True, completion.attempt_note)
    return callback if made in callback.attempts else replace(callback, attempts=(*callback.attempts, made))
