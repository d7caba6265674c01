"""Claiming: the next inquiries in line, or a named one, with a lease and a fence. Written once for all channels."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

import structlog

from desk.access.actor import Actor
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, reading, unit_of_work
from desk.departments.departments import Departments
from desk.ids import InquiryId
from desk.inquiries import claims_repository as claims
from desk.inquiries import repository as rows
from desk.inquiries import transitions
from desk.inquiries.batched_claims import BatchedClaims
from desk.inquiries.batched_claims_sql import Claim
from desk.inquiries.channel import InquiryChannel
from desk.inquiries.errors import TooManyClaimed
from desk.inquiries.model import Inquiry, Status

LEASE: Final = timedelta(minutes=15)
MAX_CLAIMS: Final = 200
"""The most inquiries one claim takes."""

T = TypeVar("T", bound=Inquiry)

log = structlog.get_logger(__name__)


class Claiming(Service, Generic[T]):
    """Hands out a channel's inquiries to agents."""

    def __init__(
        self,
        *,
        database: Database,
        channel: InquiryChannel[T],
        departments: Callable[[], Departments],
        clock: Clock,
        lease: timedelta = LEASE,
        most_held: int | None = None,
    ) -> None:
        """`most_held`: how many inquiries one agent may have at once, in all departments; None is any number."""
        super().__init__(database=database, clock=clock)
        self._channel = channel
        self._departments = departments
        self._batched = BatchedClaims(database=database, channel=channel, clock=clock, lease=lease, most_held=most_held)
        self._most_held = most_held
        self._lease = lease

    async def claim(
        self, by: Actor | Unit, department: str, *, limit: int = 1, due_before: datetime | None = None
    ) -> list[T]:
        """Claim the next inquiries in line, up to `limit`, with a lease. Returns an empty list if none waits.

        Urgent inquiries come first, then by promise, then by arrival. After an unanswered attempt an inquiry is not in
        line until its next promise begins; it may be claimed by name. With `due_before` only inquiries promised by
        then are claimed: a round is claimed by its time. Leases that ran out in this department end here.
        Raises DepartmentNotAllowed, DepartmentNotFound, TooManyClaimed.
        """
        (by.actor if isinstance(by, Unit) else by).require(department)
        self._departments().get(department)
        limit = max(1, min(limit, MAX_CLAIMS))
        if isinstance(by, Actor) and due_before is None:
            claimed = await self._batched.claim(department, Claim(by, limit))
            if claimed is not None:
                return claimed
        return await self._claim(by, department, limit, due_before)

    @unit_of_work
    async def claim_named(self, unit: Unit, id: InquiryId) -> T:
        """Claim this inquiry. An agent who already has it gets the same claim with a longer lease.

        Raises the channel's error if there is none, AlreadyClaimed under another agent's live claim, IllegalMove
        unless it is waiting, TooManyClaimed.
        """
        lease_until = unit.now + self._lease
        inquiry = await self._channel.locked(unit, id)
        if inquiry.claimed_by == unit.actor.name and transitions.is_live(unit, inquiry):
            return await rows.lengthen(unit, inquiry, lease_until)
        await self._require_room(unit)
        inquiry = await transitions.unclaimed(unit, inquiry)
        return await transitions.transition(
            unit,
            inquiry,
            "claimed",
            to=Status.CLAIMED,
            claimed_by=unit.actor.name,
            lease_until=lease_until,
            fence=inquiry.fence + 1,
        )

    @unit_of_work
    async def extend(self, unit: Unit, id: InquiryId, fence: int) -> T:
        """Extend the lease to a full one from now.

        Raises the channel's error if there is none, and ClaimLost if the claim is over.
        """
        inquiry = await transitions.with_claim(unit, await self._channel.locked(unit, id), fence)
        return await rows.lengthen(unit, inquiry, unit.now + self._lease)

    @unit_of_work
    async def release(self, unit: Unit, id: InquiryId, fence: int) -> T:
        """Return the inquiry to its place in line.

        Raises the channel's error if there is none, and ClaimLost if the claim is over.
        """
        inquiry = await transitions.with_claim(unit, await self._channel.locked(unit, id), fence)
        return await transitions.transition(unit, inquiry, "released", to=Status.WAITING)

    @reading
    async def held(self, unit: Unit) -> dict[tuple[str, str], int]:
        """Count what agents have now, by (department, agent)."""
        return await claims.held_by(unit)

    @property
    def most_held(self) -> int | None:
        """How many inquiries one agent may have at once."""
        return self._most_held

    @unit_of_work
    async def expire_leases(self, unit: Unit) -> int:
        """End every lease that has run out, of all channels. Returns how many there were."""
        expired = await claims.expired(unit)
        for inquiry in expired:
            await transitions.expire(unit, inquiry)
        return len(expired)

    async def _require_room(self, unit: Unit) -> int:
        """Return how many more inquiries the actor may claim. Raises TooManyClaimed if that is none."""
        if self._most_held is None:
            return MAX_CLAIMS
        room = self._most_held - await claims.count_live(unit)
        if room <= 0:
            log.warning("An agent holds as many callbacks as one may", agent=unit.actor.name)
            raise TooManyClaimed
        return room

    @unit_of_work
    async def _claim(self, unit: Unit, department: str, limit: int, due_before: datetime | None) -> list[T]:
        for inquiry in await claims.expired(unit.as_system(), department):  # not shown to the agent
            await transitions.expire(unit, inquiry)
        limit = min(limit, await self._require_room(unit))
        lease_until = unit.now + self._lease
        taken = await claims.take_next(
            unit, self._channel.kind, department, limit=limit, lease_until=lease_until, due_before=due_before
        )
        await transitions.record_claims(unit, taken)
        return await self._channel.show(unit, taken)
