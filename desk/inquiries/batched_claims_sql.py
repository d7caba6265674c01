"""Claims of several agents in one statement, which is a unit of work by itself. PostgreSQL only.

The rule is that of desk/inquiries/claims_repository.py, whose expressions the statement is built from. In any other
case than the usual one it changes nothing, and the caller claims for one agent. Condition, lock, fence and history are
all in the one statement, so all of it happens or nothing does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import String, TextualSelect, any_, column, func, insert, literal, literal_column, select, update
from sqlalchemy.sql import FromClause, Select

from desk.access.actor import Actor
from desk.database.compiled import compiled, parameter
from desk.database.notify import HISTORY, announce
from desk.database.unit_of_work import Unit
from desk.inquiries import claims_repository as claims_sql
from desk.inquiries.channel import InquiryChannel
from desk.inquiries.model import Inquiry, Status
from desk.inquiries.repository import c, read, shown
from desk.schema.tables import history, inquiries

T = TypeVar("T", bound=Inquiry)


@dataclass(frozen=True)
class Claim:
    """An agent asks for the next in line, up to `limit`."""

    actor: Actor
    limit: int


def claim_statement(channel: InquiryChannel[T], most_held: int | None) -> TextualSelect:
    """The statement that claims for several agents: one place for each name in `agents`, in that order.

    An agent who would have more than `most_held` gets fewer, and the next agent those places.
    """
    now, department = parameter("now", "timestamptz"), parameter("department", "text")
    agents = func.unnest(parameter("agents", "text[]"))
    asked = _allowed(
        agents.table_valued(column("agent", String), with_ordinality="n", name="asked").render_derived(), now, most_held
    )
    late = inquiries.alias("late")
    must_end_first = select(late.c.id).where(late.c.department == department, *claims_sql.lapsed(late.c, now)).exists()
    conditions = [c.department == department, *claims_sql.in_line(channel.kind, now), ~must_end_first]
    first = claims_sql.first_in_line(conditions, parameter("most", "integer")).cte("next_in_line")
    place = func.row_number().over(order_by=[first.c[each.name] for each in claims_sql.ORDER])
    numbered = select(first.c.id, place.label("n")).cte("numbered")
    taken = (
        update(inquiries)
        .where(c.id == any_(func.array(select(first.c.id).scalar_subquery())), c.id == numbered.c.id)
        .where(numbered.c.n == asked.c.place, claims_sql.still_waits())
        .values(claims_sql.claimed(asked.c.agent, parameter("lease_until", "timestamptz")))
        .returning(*shown, asked.c.n)
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
    return compiled(answer, list(answer.selected_columns))


def _allowed(asked: FromClause, now: Any, most_held: int | None) -> FromClause:
    """The agents' requests that may be fulfilled, each with its place in line."""
    nth = func.row_number().over(partition_by=asked.c.agent, order_by=asked.c.n)
    each = select(asked.c.agent, asked.c.n, nth.label("nth")).subquery("each_asked")
    allowed = select(each.c.agent, each.c.n, func.row_number().over(order_by=each.c.n).label("place"))
    if most_held is not None:
        allowed = allowed.where(each.c.nth + claims_sql.live_claims(each.c.agent, now).scalar_subquery() <= most_held)
    return allowed.subquery("allowed")


def with_own(channel: InquiryChannel[T], changed: FromClause) -> Select[Any]:
    """Select inquiries that the same statement has changed, with the channel's own values.

    `before` is the version when the statement began. The channel's values are of that moment too.
    """
    began = inquiries.alias("began")
    before = select(began.c.version).where(began.c.id == changed.c.id).scalar_subquery().label("before")
    own: Select[Any] = channel.join(changed)
    return own.add_columns(*(changed.c[each.name] for each in shown), changed.c.n, before)


async def read_with_own(unit: Unit, channel: InquiryChannel[T], rows: Sequence[Any]) -> dict[int, T]:
    """Read rows of `with_own` by their `n`; the channel's values again if others changed the inquiry meanwhile."""
    found = {row.n: channel.read(read(unit, row), row) for row in rows}
    outdated = {row.n: found[row.n] for row in rows if row.version != row.before + 1}
    if outdated:
        found |= zip(outdated, await channel.show(unit, list(outdated.values())), strict=True)
    return found


async def claim(
    unit: Unit,
    channel: InquiryChannel[T],
    statement: TextualSelect,
    department: str,
    claims: Sequence[Claim],
    lease: timedelta,
) -> list[list[T]]:
    """Return what each agent gets, in claim order; nothing for anyone while a lease that ran out must be ended first.

    Rows that another unit of work holds are passed over. An agent whose scope is elsewhere gets nothing.
    """
    limits = [each.limit if each.actor.scope.covers(department) else 0 for each in claims]
    agents = [each.actor.name for each, limit in zip(claims, limits, strict=True) for _ in range(limit)]
    values = {"department": department, "agents": agents, "most": len(agents)}
    rows = (
        await unit.connection.execute(statement, {**values, "now": unit.now, "lease_until": unit.now + lease})
    ).all()
    if rows:
        announce(unit.connection.info, HISTORY)
    found = await read_with_own(unit, channel, rows)
    places = iter(range(1, len(agents) + 1))
    return [[found[n] for n in [next(places) for _ in range(limit)] if n in found] for limit in limits]
