"""Completions of many agents, batched: one statement and one commit for all that arrive at the same time.

PostgreSQL only. See desk/database/batching.py for how requests are gathered.
"""

from collections.abc import Callable, Sequence

from desk.access.actor import SYSTEM
from desk.callbacks import batched_completions_sql as sql
from desk.callbacks.batched_completions_sql import Completion
from desk.callbacks.model import Callback
from desk.clock import Clock
from desk.database.batching import Batcher
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, one_statement
from desk.departments.calendar import may_ring
from desk.departments.departments import Departments


class BatchedCompletions(Service):
    """The batched completions of one database, for requests that are no part of a larger unit of work."""

    def __init__(self, *, database: Database, departments: Callable[[], Departments], clock: Clock) -> None:
        super().__init__(database=database, clock=clock)
        self._departments = departments
        self._completions: Batcher[Completion, Callback | None] = Batcher(self._complete)

    async def complete(self, completion: Completion) -> Callback | None:
        """Close a claimed callback. None if it can't be closed this way: the unbatched statement finds out why."""
        if self._database.dialect != "postgresql":
            return None
        callback = await self._completions.ask(completion)
        if callback:
            completion.actor.saw(callback.id, callback.department)
        return callback

    async def _complete(self, completions: Sequence[Completion]) -> list[Callback | None]:
        return await self._complete_all(SYSTEM, completions)

    @one_statement
    async def _complete_all(self, unit: Unit, completions: Sequence[Completion]) -> list[Callback | None]:
        ringing = [slug for slug, rules in self._departments().items() if may_ring(rules, unit.now)]
        return await sql.complete(unit, completions, ringing)
