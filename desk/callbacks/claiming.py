"""Claiming callbacks: the next in line, or a named one, with a lease and a fence."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from desk.access.actor import Actor
from desk.callbacks import claims_repository as claims
from desk.callbacks import repository as rows
from desk.callbacks import transitions
from desk.callbacks.batched_claims import BatchedClaims
from desk.callbacks.batched_claims_sql import Claim
from desk.callbacks.model import Callback
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, unit_of_work
from desk.departments.departments import Departments
from desk.ids import CallbackId
from desk.inquiries.model import Status

LEASE: Final = timedelta(minutes=15)
MAX_CLAIMS: Final = 200
"""The most callbacks one claim takes."""


class Claiming(Service):
    """Hands out callbacks to agents."""

    def __init__(
        self,
        *,
        database: Database,
        departments: Callable[[], Departments],
        clock: Clock,
        batched: BatchedClaims,
        lease: timedelta = LEASE,
    ) -> None:
        super().__init__(database=database, clock=clock)
        self._departments = departments
        self._batched = batched
        self._lease = lease

    async def claim(
        self, by: Actor | Unit, department: str, *, limit: int = 1, due_before: datetime | None = None
    ) -> list[Callback]:
        """Claim the next callbacks in line, up to `limit`, with a lease. Returns an empty list if none waits.

        Urgent callbacks come first, then by promise, then by arrival. After an unanswered attempt a callback is not in
        line until its next promise begins; it may be claimed by name. With `due_before` only callbacks promised by
        then are claimed: a round is claimed by its time. Leases that ran out in this department end here.
        Raises DepartmentNotAllowed, DepartmentNotFound.
        """
        (by.actor if isinstance(by, Unit) else by).require(department)
        self._departments().get(department)
        limit = max(1, min(limit, MAX_CLAIMS))
        claimed: list[Callback] = []
        if isinstance(by, Actor) and due_before is None:
            claimed = await self._batched.claim(department, Claim(by, limit))
        return claimed or await self._claim(by, department, limit, due_before)

    @unit_of_work
    async def claim_named(self, unit: Unit, id: CallbackId) -> Callback:
        """Claim this callback. An agent who already has it gets the same claim with a longer lease.

        Raises CallbackNotFound, AlreadyClaimed under another agent's live claim, IllegalMove unless it is waiting.
        """
        lease_until = unit.now + self._lease
        callback = await rows.locked(unit, id)
        if callback.claimed_by == unit.actor.name and transitions.is_live(unit, callback):
            return await rows.lengthen(unit, callback, lease_until)
        callback = await transitions.unclaimed(unit, callback)
        return await transitions.transition(
            unit,
            callback,
            "claimed",
            to=Status.CLAIMED,
            claimed_by=unit.actor.name,
            lease_until=lease_until,
            fence=callback.fence + 1,
        )

    @unit_of_work
    async def extend(self, unit: Unit, id: CallbackId, fence: int) -> Callback:
        """Extend the lease to a full one from now. Raises CallbackNotFound, and ClaimLost if the claim is over."""
        callback = await transitions.locked_claim(unit, id, fence)
        return await rows.lengthen(unit, callback, unit.now + self._lease)

    @unit_of_work
    async def release(self, unit: Unit, id: CallbackId, fence: int) -> Callback:
        """Return the callback to its place in line. Raises CallbackNotFound, and ClaimLost if the claim is over."""
        callback = await transitions.locked_claim(unit, id, fence)
        return await transitions.transition(unit, callback, "released", to=Status.WAITING)

    @unit_of_work
    async def expire_leases(self, unit: Unit) -> int:
        """End every lease that has run out. Returns how many there were."""
        expired = await claims.expired(unit)
        for callback in expired:
            await transitions.expire(unit, callback)
        return len(expired)

    @unit_of_work
    async def _claim(self, unit: Unit, department: str, limit: int, due_before: datetime | None) -> list[Callback]:
        for callback in await claims.expired(unit.as_system(), department):  # not shown to the agent
            await transitions.expire(unit, callback)
        lease_until = unit.now + self._lease
        taken = await claims.take_next(unit, department, limit=limit, lease_until=lease_until, due_before=due_before)
        await transitions.record_claims(unit, taken)
        return taken
