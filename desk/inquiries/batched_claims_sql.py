"""Claims of several agents in one statement on the driver (desk/database/driver.py). PostgreSQL only.

The rule is that of desk/inquiries/claims_repository.py, whose expressions the statement is built from. In any other
case than the usual one it changes nothing, and the caller claims for one agent. Condition, lock, fence and history are
all in the one statement, so all of it happens or nothing does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    String,
    Text,
    and_,
    any_,
    cast,
    column,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.sql import FromClause, Select

from desk.access.actor import Actor
from desk.database.compiled import DriverStatement, compiled_for_driver, parameter
from desk.database.driver import Driver
from desk.database.notify import HISTORY
from desk.inquiries import claims_repository as claims_sql
from desk.inquiries.channel import InquiryChannel
from desk.inquiries.model import LONGEST_LEASE, Inquiry, Status
from desk.inquiries.repository import c, shown
from desk.schema.tables import history, inquiries

T = TypeVar("T", bound=Inquiry)


@dataclass(frozen=True)
class Claim:
    """An agent asks for the next in line, up to `limit`."""

    actor: Actor
    limit: int


def claim_statement(channel: InquiryChannel[T], most_held: int | None) -> DriverStatement:
    """The statement that claims for several agents: one place for each name in `agents`, in that order.

    An agent who would have more than `most_held` gets fewer, and the next agent those places.
    """
    now, department = parameter("now", "timestamptz"), parameter("department", "text")
    agents = func.unnest(parameter("agents", "text[]"))
    asked = agents.table_valued(column("agent", String), with_ordinality="n", name="asked").render_derived()
    places = _places(asked, now, most_held)
    late = inquiries.alias("late")
    must_end_first = select(late.c.id).where(late.c.department == department, *claims_sql.lapsed(late.c, now)).exists()
    conditions = [c.department == department, *claims_sql.in_line(channel.kind, now), ~must_end_first]
    first = claims_sql.first_in_line(conditions, parameter("most", "integer")).cte("next_in_line")
    place = func.row_number().over(order_by=[first.c[each.name] for each in claims_sql.ORDER])
    numbered = select(first.c.id, place.label("n")).cte("numbered")
    taken = (
        update(inquiries)
        .where(c.id == any_(func.array(select(first.c.id).scalar_subquery())), c.id == numbered.c.id)
        .where(numbered.c.n <= func.cardinality(places.c.agents), claims_sql.still_waits())
        .values(claims_sql.claimed(places.c.agents[numbered.c.n], parameter("lease_until", "timestamptz")))
        .returning(*shown, places.c.asked[numbered.c.n].label("n"))
        .cte("taken")
    )
    states = (literal(Status.WAITING.value), literal(Status.CLAIMED.value))
    event = (taken.c.id, taken.c.department, now, literal("claimed"), taken.c.claimed_by, *states)
    noted = (
        insert(history)
        .from_select(
            ["inquiry_id", "department", "at", "event", "actor", "from_status", "to_status", "details", "version"],
            select(*event, literal_column("cast('{}' as json)"), taken.c.version).order_by(taken.c.n),
        )
        .cte("noted")
    )
    answer = with_own(channel, taken).order_by(taken.c.n).add_cte(noted)
    return compiled_for_driver(answer)


def nothing_statement(channel: InquiryChannel[T], most_held: int | None) -> DriverStatement:
    """The statement that finds for which of `agents`, counted from 1, it is certain that there is nothing to claim.

    Not where a lease of the department must be ended, nor for an agent who has `most_held` and is to hear so.
    """
    now, longest = parameter("now", "timestamptz"), parameter("longest", "timestamptz")
    department = parameter("department", "text")
    agents = func.unnest(parameter("agents", "text[]"))
    asked = agents.table_valued(column("agent", String), with_ordinality="n", name="asked").render_derived()
    line = select(c.id).where(c.department == department, *claims_sql.in_line(channel.kind, now))
    over = or_(and_(*claims_sql.lapsed(c, now)), and_(*claims_sql.too_long(c, longest)))
    ended = select(c.id).where(c.department == department, over)
    certain = select(asked.c.n).where(~line.exists(), ~ended.exists())
    if most_held is not None:
        certain = certain.where(claims_sql.live_claims(asked.c.agent, now).scalar_subquery() < most_held)
    return compiled_for_driver(certain)


def _places(asked: FromClause, now: Any, most_held: int | None) -> FromClause:
    """One row with the agents' requests that may be fulfilled: `agents` by place in line, and which in `asked`.

    As arrays, because a join by place compares every place with every other.
    """
    nth = func.row_number().over(partition_by=asked.c.agent, order_by=asked.c.n)
    each = select(asked.c.agent, asked.c.n, nth.label("nth")).subquery("each_asked")
    in_order = {
        "agents": func.array_agg(aggregate_order_by(each.c.agent, each.c.n), type_=ARRAY(String)),
        "asked": func.array_agg(aggregate_order_by(each.c.n, each.c.n), type_=ARRAY(BigInteger)),
    }
    places = select(*(values.label(name) for name, values in in_order.items()))
    if most_held is not None:
        places = places.where(each.c.nth + claims_sql.live_claims(each.c.agent, now).scalar_subquery() <= most_held)
    return places.subquery("places")


def with_own(channel: InquiryChannel[T], changed: FromClause) -> Select[Any]:
    """Select inquiries that the same statement has changed, with the channel's own values.

    `before` is the version when the statement began. The channel's values are of that moment too.
    """
    began = inquiries.alias("began")
    before = select(began.c.version).where(began.c.id == changed.c.id).scalar_subquery().label("before")
    own: Select[Any] = channel.join(changed)
    id = cast(changed.c.id, Text).label("id")
    others = [changed.c[each.name] for each in shown if each is not c.id]
    return own.add_columns(id, *others, changed.c.n, before)


def places(department: str, claims: Sequence[Claim]) -> list[list[Actor]]:
    """For each claim its agent as many times as its limit; none where the agent's scope is elsewhere."""
    return [[each.actor] * each.limit if each.actor.scope.covers(department) else [] for each in claims]


async def claim(
    driver: Driver,
    statement: DriverStatement,
    department: str,
    agents: Sequence[Actor],
    now: datetime,
    lease: timedelta,
) -> Sequence[Any]:
    """Claim one for each of `agents`. Returns rows of `with_own` in claim order, `n` counted from 1.

    There is no row for anyone while a lease that ran out must be ended first. Rows that another unit of work holds are
    passed over.
    """
    values = {
        "department": department,
        "agents": [each.name for each in agents],
        "most": len(agents),
        "now": now,
        "lease_until": now + lease,
    }
    return await driver.rows(statement, values, announce=HISTORY)


async def nothing(
    driver: Driver, statement: DriverStatement, department: str, claims: Sequence[Claim], now: datetime
) -> set[int]:
    """Return which of the claims, counted from 1, must certainly get nothing."""
    values = {
        "department": department,
        "agents": [each.actor.name for each in claims],
        "now": now,
        "longest": now + LONGEST_LEASE,
    }
    return {row.n for row in await driver.rows(statement, values)}
