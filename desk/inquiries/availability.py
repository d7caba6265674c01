"""Every promise is made here, in the unit of work that stores it: past closures, and where there is room.

Only this module makes a `PromiseOffer`, and only a `PromiseOffer` can be stored, so no promise is made without
asking for closures and capacity, except one that was made while the database was away.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from desk.database.unit_of_work import Unit
from desk.departments.departments import Department
from desk.ids import InquiryId
from desk.inquiries import repository as rows
from desk.promises import repository as closures
from desk.promises.model import Availability, DelayReason, NextStep, Promise, PromiseOffer
from desk.promises.rules import after_unanswered, can_keep, promise_by_hand, promise_for


async def next_promise(
    unit: Unit, rules: Department, *, excluding: InquiryId | None = None, suspected: bool = False
) -> PromiseOffer:
    """Offer the first promise that is open and has room. `excluding`: the inquiry it is for, if it has one already.

    `suspected`: it is for an inquiry of a suspected flood. Those take their places after everyone's, others only after
    those that are not suspected.
    """
    ahead, availability = await _availability(unit, rules, excluding, suspected=suspected)
    promise = promise_for(rules, unit.now, availability)
    later = next((DelayReason(row.text) for row in ahead if row.from_at <= unit.now), None)
    if later is None and promise != promise_for(rules, unit.now, Availability(availability.closed)):
        later = DelayReason.QUEUE_FULL
    return PromiseOffer(promise, later)


def heard_promise(promise: Promise) -> PromiseOffer:
    """Offer a promise that the patient has heard while closures and capacity could not be read. It must stand."""
    return PromiseOffer(promise)


async def promise_at(unit: Unit, rules: Department, by: datetime, *, excluding: InquiryId) -> PromiseOffer:
    """Offer the promise that an agent chooses for the inquiry `excluding`. Raises PromiseNotPossible."""
    _, availability = await _availability(unit, rules, excluding)
    return PromiseOffer(promise_by_hand(rules, by, unit.now, availability))


async def taken_over(
    unit: Unit, rules: Department, promise: Promise, *, excluding: InquiryId
) -> tuple[PromiseOffer, bool]:
    """Offer another department's promise and True, if this department can keep it; else a new one and False.

    It is kept even where the department is full: the patient has heard it.
    """
    _, availability = await _availability(unit, rules, excluding)
    if can_keep(rules, promise, unit.now, availability):
        return PromiseOffer(promise), True
    return await next_promise(unit, rules, excluding=excluding), False


async def unanswered(
    unit: Unit, rules: Department, promise: Promise, counted: Sequence[datetime], *, excluding: InquiryId
) -> tuple[NextStep, PromiseOffer | None]:
    """Decide what follows an unanswered attempt. The offer is None when the promise stands, or there is none."""
    _, availability = await _availability(unit, rules, excluding)
    step = after_unanswered(rules, promise, counted, unit.now, availability)
    changed = step.next_promise is not None and step.next_promise != promise
    return step, PromiseOffer(step.next_promise) if step.next_promise and changed else None


async def _availability(
    unit: Unit, rules: Department, excluding: InquiryId | None, *, suspected: bool = False
) -> tuple[Sequence[Any], Availability]:
    """Read the department's closures that are not over, and its availability.

    Where it has a capacity, other units of work that promise something there wait for this one to end, so that two
    can't both promise the last place.
    """
    ahead = await closures.ahead(unit, rules.slug)
    taken: Mapping[datetime, int] = {}
    if rules.capacity is not None:
        taken = await rows.promised(unit, rules.slug, excluding=excluding, suspected=suspected)
    return ahead, Availability([(row.from_at, row.until_at) for row in ahead], taken)
