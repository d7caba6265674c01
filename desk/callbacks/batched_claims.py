"""Claims and completions of many agents, batched: one statement and one commit for all that arrive at the same time.

PostgreSQL only. See desk/database/batching.py for how requests are gathered.
"""

from collections.abc import Sequence
from datetime import timedelta

from desk.access.actor import SYSTEM
from desk.callbacks import batched_claims_sql as sql
from desk.callbacks.batched_claims_sql import Claim, Completion
from desk.callbacks.model import Callback
from desk.clock import Clock
from desk.database.batching import Batcher
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, is_inside_unit, one_statement


class BatchedClaims(Service):
    """The batched claims of one database, for requests that are no part of a larger unit of work."""

    def __init__(self, *, database: Database, clock: Clock, lease: timedelta) -> None:
        super().__init__(database=database, clock=clock)
        self._lease = lease
        self._claims: dict[str, Batcher[Claim, list[Callback]]] = {}
        self._completions: Batcher[Completion, Callback | None] = Batcher(self._complete)

    async def claim(self, department: str, claim: Claim) -> list[Callback]:
        """Claim the next in line. An empty list may also mean that a lease that ran out must be ended first."""
        if not self._is_possible():
            return []
        if department not in self._claims:
            self._claims[department] = Batcher(lambda claims: self._claim(department, claims))
        claimed = await self._claims[department].ask(claim)
        for callback in claimed:
            claim.actor.saw(callback.id, callback.department)
        return claimed

    async def complete(self, completion: Completion) -> Callback | None:
        """Close a claimed callback. None if it can't be closed this way: the unbatched statement finds out why."""
        if not self._is_possible():
            return None
        callback = await self._completions.ask(completion)
        if callback:
            completion.actor.saw(callback.id, callback.department)
        return callback

    def _is_possible(self) -> bool:
        return self._database.dialect == "postgresql" and not is_inside_unit(self._database)

    async def _claim(self, department: str, claims: Sequence[Claim]) -> list[list[Callback]]:
        return await self._claim_all(SYSTEM, department, claims)

    async def _complete(self, completions: Sequence[Completion]) -> list[Callback | None]:
        return await self._complete_all(SYSTEM, completions)

    @one_statement
    async def _claim_all(self, unit: Unit, department: str, claims: Sequence[Claim]) -> list[list[Callback]]:
        return await sql.claim(unit, department, claims, lease_until=unit.now + self._lease)

    @one_statement
    async def _complete_all(self, unit: Unit, completions: Sequence[Completion]) -> list[Callback | None]:
        return await sql.complete(unit, completions)
