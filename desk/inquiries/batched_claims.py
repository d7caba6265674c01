"""Claims of many agents, batched: one statement and one commit for all that arrive at the same time.

PostgreSQL only. See desk/database/batching.py for how requests are gathered.
"""

from collections.abc import Sequence
from datetime import timedelta
from itertools import chain
from typing import Any, Generic, TypeVar

from desk.clock import Clock
from desk.database.batching import Batcher
from desk.database.driver import Driver
from desk.database.engine import Database
from desk.database.unit_of_work import on_driver
from desk.inquiries import batched_claims_sql as sql
from desk.inquiries.batched import Batched
from desk.inquiries.batched_claims_sql import Claim
from desk.inquiries.channel import InquiryChannel
from desk.inquiries.model import Inquiry

T = TypeVar("T", bound=Inquiry)


class BatchedClaims(Batched[T], Generic[T]):
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
        super().__init__(database=database, clock=clock, channel=channel)
        self._lease = lease
        self._statement = sql.claim_statement(channel, most_held)
        self._nothing = sql.nothing_statement(channel, most_held)
        self._claims: dict[str, Batcher[Claim, list[T] | None]] = {}

    async def claim(self, department: str, claim: Claim) -> list[T] | None:
        """Claim the next in line. None if this can't tell: a lease may have to be ended first, or a claim refused."""
        if self._database.dialect != "postgresql":
            return None
        if department not in self._claims:
            self._claims[department] = Batcher(lambda claims: self._claim(department, claims))
        return await self._claims[department].ask(claim)

    async def _claim(self, department: str, claims: Sequence[Claim]) -> list[list[T] | None]:
        """Return what each agent gets, in claim order."""
        places = sql.places(department, claims)
        agents = list(chain.from_iterable(places))

        async def step(driver: Driver) -> Sequence[Any]:
            return await sql.claim(driver, self._statement, department, agents, self._clock.now(), self._lease)

        rows = await on_driver(self._database, step)
        if not rows:
            return await self._none_claimed(department, claims)
        found = await self._read(rows, agents)
        numbers = iter(range(1, len(agents) + 1))
        return [[found[n] for n in [next(numbers) for _ in each] if n in found] or None for each in places]

    async def _none_claimed(self, department: str, claims: Sequence[Claim]) -> list[list[T] | None]:
        async def step(driver: Driver) -> set[int]:
            return await sql.nothing(driver, self._nothing, department, claims, self._clock.now())

        nothing = await on_driver(self._database, step)
        return [[] if n in nothing else None for n in range(1, len(claims) + 1)]
