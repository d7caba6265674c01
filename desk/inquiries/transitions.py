"""What happens to one inquiry of any channel inside a unit of work: moved to another status, promised a new time.

Each transition writes one history row. A channel's own values are carried along unchanged.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from desk.database.together import Write
from desk.database.unit_of_work import Unit
from desk.departments.departments import Department
from desk.history import repository as history
from desk.history.model import Details, HistoryEntry
from desk.inquiries import notes
from desk.inquiries import repository as rows
from desk.inquiries.availability import next_promise, taken_over
from desk.inquiries.errors import AlreadyClaimed, ClaimLost, IllegalMove
from desk.inquiries.model import LONGEST_LEASE, ClosedReason, Inquiry, Priority, Status, next_status
from desk.inquiries.repository import RANK
from desk.promises.model import PromiseOffer, PromiseReason
from desk.promises.rules import due, spoken_text

T = TypeVar("T", bound=Inquiry)


async def transition(
    unit: Unit,
    inquiry: T,
    event: str,
    *,
    to: Status | None = None,
    details: Details | None = None,
    **changes: Any,
) -> T:
    """Change a locked inquiry, and its status if `to` is set, and write one history row. Raises IllegalMove.

    Of a note that has become too long, the oldest lines move to that row.
    """
    was = inquiry.status
    older = None
    if changes.get("note"):
        changes["note"], older = notes.shortened(changes["note"])
    if to is not None:
        changes["status"] = next_status(was, to).value
        if was is Status.CLAIMED:
            changes |= {"claimed_by": None, "lease_until": None}
        if was is Status.CLOSED:
            changes |= {"closed_reason": None, "closed_at": None}
    department = changes.get("department", inquiry.department)
    entry = HistoryEntry(inquiry.id, department, event, was if to else None, to, details or {}, older)
    return await rows.change(unit, inquiry, history.adding_next(unit, entry), **changes)


async def record_event(
    unit: Unit,
    inquiry: Inquiry,
    event: str,
    *,
    from_status: Status | None = None,
    to_status: Status | None = None,
    details: Details | None = None,
    note: str | None = None,
) -> None:
    """Write one history row. `note`: lines that have left the inquiry's note."""
    entry = HistoryEntry(inquiry.id, inquiry.department, event, from_status, to_status, details or {}, note)
    await history.add(unit, [entry])


async def record_claims(unit: Unit, taken: Sequence[Inquiry]) -> None:
    """Write a history row for each of the inquiries just claimed."""
    states = (Status.WAITING, Status.CLAIMED)
    await history.add(unit, [HistoryEntry(each.id, each.department, "claimed", *states) for each in taken])


async def close(unit: Unit, inquiry: T, reason: ClosedReason, note: str | None) -> T:
    """Close an inquiry. Nothing is deleted; it may be reopened."""
    return await transition(
        unit,
        inquiry,
        "closed",
        to=Status.CLOSED,
        details={"reason": reason.value},
        closed_reason=reason.value,
        closed_at=unit.now,
        note=notes.joined(inquiry.note, note),
    )


async def reopen(unit: Unit, rules: Department, inquiry: T, *, cut_off: bool = False) -> T:
    """Reopen a closed or unreachable inquiry with a new promise.

    An inquiry that was `cut_off` goes first in line. Raises IllegalMove.
    """
    if inquiry.status is Status.CLAIMED:
        raise IllegalMove("it is claimed")  # only its agent may release it
    to = next_status(inquiry.status, Status.WAITING)
    changes = await renewed(unit, rules, inquiry, PromiseReason.REOPENED)
    changes["not_before"] = None
    if cut_off:
        changes["priority"] = RANK[Priority.URGENT]
    return await transition(unit, inquiry, "reopened", to=to, details={"cut_off": cut_off}, **changes)


async def transfer(
    unit: Unit,
    rules: Department,
    inquiry: T,
    offer: PromiseOffer,
    *,
    kept: bool,
    note: str | None,
    merged: bool = False,
) -> T:
    """Transfer an open inquiry to another department, where it waits. `kept`: the offer is the promise it has.

    `merged`: the same person waits there already, so it is closed there as a duplicate.
    Raises IllegalMove (it is there already).
    """
    if inquiry.department == rules.slug:
        raise IllegalMove("it is in that department already")
    promise = "kept" if kept else "recomputed"
    unit.trail.moved_from(inquiry.department, inquiry.id)
    await record_event(unit, inquiry, "transferred_out", details={"to": rules.slug, "promise": promise})
    changes = await renew_promise(unit, rules, inquiry, PromiseReason.TRANSFERRED, offer)
    changes |= {"department": rules.slug, "note": notes.joined(inquiry.note, note)}
    if not kept:
        changes["not_before"] = None
    if inquiry.topic not in rules.topics:
        changes["topic"] = None
    details: Details = {"from": inquiry.department, "promise": promise}
    if merged:  # it may not wait there for a moment: one person has one open inquiry in a department
        await record_event(unit, replace(inquiry, department=rules.slug), "transferred_in", details=details)
        changes |= {"closed_reason": ClosedReason.DUPLICATE.value, "closed_at": unit.now}
        reason: Details = {"reason": ClosedReason.DUPLICATE.value}
        return await transition(unit, inquiry, "closed", to=Status.CLOSED, details=reason, **changes)
    to = Status.WAITING if inquiry.status is not Status.WAITING else None
    return await transition(unit, inquiry, "transferred_in", to=to, details=details, **changes)


async def transfer_offer(
    unit: Unit, rules: Department, inquiry: Inquiry, *, keep_promise: bool
) -> tuple[PromiseOffer, bool]:
    """Offer the promise that the inquiry gets in another department. Returns it, and whether it is the one it has."""
    if keep_promise:
        return await taken_over(unit, rules, inquiry.promise, excluding=inquiry.id)
    return await next_promise(unit, rules), False


async def expire(unit: Unit, inquiry: T) -> T:
    """Return an inquiry to the line because its lease ran out."""
    details: Details = {"agent": inquiry.claimed_by}
    return await transition(unit.as_system(), inquiry, "lease_expired", to=Status.WAITING, details=details)


def is_live(unit: Unit, inquiry: Inquiry) -> bool:
    """Whether a lease holds the inquiry now."""
    return inquiry.lease_until is not None and unit.now < inquiry.lease_until <= unit.now + LONGEST_LEASE


def require_claim(unit: Unit, inquiry: Inquiry, fence: int) -> None:
    """Raises ClaimLost unless the actor has the inquiry, by the claim that gave `fence`."""
    mine = inquiry.claimed_by == unit.actor.name and inquiry.fence == fence
    if inquiry.status is not Status.CLAIMED or not mine:
        raise ClaimLost


async def with_claim(unit: Unit, inquiry: T, fence: int) -> T:
    """Return the locked inquiry, which the actor has claimed. Raises ClaimLost as `require_claim` does.

    A lease that ran out is forgiven if nothing has happened to the inquiry since: the attempt was made and is worth
    keeping. The claim goes on with the same fence, since no one else has claimed.
    """
    if inquiry.status is Status.WAITING and inquiry.fence == fence:
        last = await history.last_transition(unit, inquiry.id)
        if last and last.event == "lease_expired" and last.details.get("agent") == unit.actor.name:
            inquiry = await transition(
                unit,
                inquiry,
                "claimed",
                to=Status.CLAIMED,
                details={"late": True},
                claimed_by=unit.actor.name,
                lease_until=unit.now,
            )
    require_claim(unit, inquiry, fence)
    return inquiry


async def unclaimed(unit: Unit, inquiry: T) -> T:
    """Return the inquiry free of any claim; a claim whose lease ran out is ended here.

    Raises AlreadyClaimed under another agent's live claim, and ClaimLost under the actor's own, which needs its fence.
    """
    if is_live(unit, inquiry):
        raise ClaimLost if inquiry.claimed_by == unit.actor.name else AlreadyClaimed
    return await expire(unit, inquiry) if inquiry.status is Status.CLAIMED else inquiry


async def changeable(unit: Unit, inquiry: T, fence: int | None) -> T:
    """Return the locked inquiry if the actor may change it: claimed with that fence, or (None) claimed by no one.

    Raises ClaimLost, AlreadyClaimed.
    """
    if fence is None:
        return await unclaimed(unit, inquiry)
    return await with_claim(unit, inquiry, fence)


async def renewed(unit: Unit, rules: Department, inquiry: Inquiry, reason: PromiseReason) -> dict[str, Any]:
    """Make and store a new promise by the department's rules. Returns it as the inquiry's columns."""
    offer = await next_promise(unit, rules, excluding=inquiry.id, suspected=inquiry.suspected)
    return await renew_promise(unit, rules, inquiry, reason, offer)


async def renew_promise(
    unit: Unit, rules: Department, inquiry: Inquiry, reason: PromiseReason, offer: PromiseOffer
) -> dict[str, Any]:
    """Store a new promise. Returns it as the inquiry's columns."""
    spoken = spoken_text(offer.promise, rules, unit.now, inquiry.language)
    await unit.connection.execute(adding_promise(unit, inquiry, rules, offer, spoken, reason))
    return rows.promise_columns(offer.promise, spoken)


def adding_promise(
    unit: Unit, inquiry: Inquiry, rules: Department, offer: PromiseOffer, spoken: str, reason: PromiseReason
) -> Write:
    """The statement that adds a promise to those that the ledger follows."""
    due_at = due(rules, offer.promise)
    return rows.adding_promise(unit, inquiry, offer.promise, spoken, department=rules.slug, due=due_at, reason=reason)
