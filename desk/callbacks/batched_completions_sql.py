"""Completions of several agents in one statement on the driver (desk/database/driver.py). PostgreSQL only.

These are the transitions of desk/callbacks/transitions.py for the usual case: an agent closes what they have claimed.
In any other case the statement changes nothing, and the caller uses those transitions. Condition, fence, history and
attempts are all in the one statement, so all of it happens or nothing does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Integer,
    String,
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
from desk.callbacks.model import AttemptOutcome
from desk.callbacks.repository import CHANNEL
from desk.database.compiled import DriverStatement, compiled_for_driver, parameter
from desk.database.driver import Driver
from desk.database.notify import HISTORY
from desk.ids import CallbackId
from desk.inquiries import claims_repository as claims
from desk.inquiries.batched_claims_sql import with_own
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


def complete_statement() -> DriverStatement:
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
    return compiled_for_driver(answer.add_cte(_attempts(done).cte("tried"), _history(done).cte("noted")))


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


async def complete(
    driver: Driver, completions: Sequence[Completion], now: datetime, ringing: Sequence[str]
) -> Sequence[Any]:
    """Close the callbacks. Returns rows of `with_own`, `n` counted from 1.

    There is no row where the claim is over or the callback is not in the agent's scope. `ringing`: the departments
    that may call patients now.
    """
    values = {
        "now": now,
        "ringing": list(ringing),
        "ids": [each.id for each in completions],
        "agents": [each.actor.name for each in completions],
        "fences": [each.fence for each in completions],
        "outcomes": _any([each.outcome.value if each.outcome else None for each in completions]),
        "attempt_notes": _any([each.attempt_note for each in completions]),
        "reasons": [each.reason.value for each in completions],
        "notes": _any([each.note for each in completions]),
        "scopes": _any([_scope(each.actor) for each in completions]),
    }
    return await driver.rows(COMPLETE, values, announce=HISTORY)


def _any(values: list[str | None]) -> list[str | None] | None:
    """The list, or None if it has no values: that is the same to `unnest`, and less to send."""
    return values if any(value is not None for value in values) else None


def _scope(actor: Actor) -> str | None:
    return None if actor.scope.departments is None else ",".join(actor.scope.departments)
