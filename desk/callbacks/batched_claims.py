"""The busiest moves, for many agents at once: claimed, and completed. desk/database/batching.py is how they come
together.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from desk.callbacks import batched_claims_sql as together
from desk.callbacks.batched_claims_sql import Claim, Completion
from desk.callbacks.model import Callback
from desk.callbacks.repository import uuid
from desk.clock import Clock
from desk.database.batching import Batcher
from desk.database.engine import Connection, Database
from desk.database.unit_of_work import UnitsOfWork


class BatchedClaims(UnitsOfWork):
    """One database's line, for those who are not part of a greater unit of work. On SQLite it does nothing."""

    def __init__(self, *, database: Database, clock: Clock, lease: Callable[[], timedelta]) -> None:
        super().__init__(database)
        self._clock = clock
        self._lease = lease
        self._claims: dict[str, Batcher[Claim, list[Callback]]] = {}
        self._completions: Batcher[Completion, Callback | None] = Batcher(self._complete)

    async def claim(self, department: str, asked: Claim) -> list[Callback]:
        """The next in line, leased; an empty list also when there is more to see to first: ask the desk then."""
        if not self._is_here():
            return []
        if department not in self._claims:
            self._claims[department] = Batcher(lambda those: self._claim(department, those))
        return await self._claims[department].ask(asked)

    async def complete(self, completion: Completion) -> Callback | None:
        """The callback, closed; None when it could not be, or not here: the desk says why. `CallbackNotFound`."""
        if not self._is_here():
            return None
        return await self._completions.ask(replace(completion, id=uuid(completion.id)))

    def _is_here(self) -> bool:
        return self._database.dialect == "postgresql" and self._part_of() is None

    async def _claim(self, department: str, asked: Sequence[Claim]) -> list[list[Callback]]:
        async def work(connection: Connection) -> list[list[Callback]]:
            now = self._clock.now()
            taken = await together.claim(connection, department, asked, now=now, lease_until=now + self._lease())
            return [[stored.callback for stored in each] for each in taken]

        return await self._one_statement(work)

    async def _complete(self, asked: Sequence[Completion]) -> list[Callback | None]:
        async def work(connection: Connection) -> list[Callback | None]:
            done = await together.complete(connection, asked, self._clock.now())
            return [stored.callback if stored else None for stored in done]

        return await self._one_statement(work)
