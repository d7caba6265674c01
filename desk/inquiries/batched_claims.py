"""Claims of many agents, batched: one statement and one commit for all that arrive at the same time.

PostgreSQL only. See desk/database/batching.py for how requests are gathered.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Generic, TypeVar

from desk.access.actor import SYSTEM
from desk.clock import Clock
from desk.database.batching import Batcher
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, one_statement
from desk.inquiries import batched_claims_sql as sql
from desk.inquiries.batched_claims_sql import Claim
from desk.inquiries.channel import InquiryChannel
from desk.inquiries.model import Inquiry

T = TypeVar("T", bound=Inquiry)


class BatchedClaims(Service, Generic[T]):
    """The batched claims of one channel, for requests that are no part of a larger unit of work."""

    def __init__(
        self,
        *,
        database: Database,
        channel: InquiryChannel[T],
        clock: Clock,
        lease: timedelta,
        most_held: int | None = None,
    ) -> None:
        super().__init__(database=database, clock=clock)
        self._channel = channel
        self._lease = lease
        self._statement = sql.claim_statement(channel, most_held)
        self._claims: dict[str, Batcher[Claim, list[T]]] = {}

    async def claim(self, department: str, claim: Claim) -> list[T]:
        """Claim the next in line. An empty list may also mean that a lease that ran out must be ended first."""
        if self._database.dialect != "postgresql":
            return []
        if department not in self._claims:
            self._claims[department] = Batcher(lambda claims: self._claim(department, claims))
        claimed = await self._claims[department].ask(claim)
        for inquiry in claimed:
            claim.actor.saw(inquiry.id, inquiry.department)
        return claimed

    async def _claim(self, department: str, claims: Sequence[Claim]) -> list[list[T]]:
        return await self._claim_all(SYSTEM, department, claims)

    @one_statement
    async def _claim_all(self, unit: Unit, department: str, claims: Sequence[Claim]) -> list[list[T]]:
        return await sql.claim(unit, self._channel, self._statement, department, claims, self._lease)
