"""Completions of many agents, batched: one statement and one commit for all that arrive at the same time.

PostgreSQL only. See desk/database/batching.py for how requests are gathered.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from desk.callbacks import batched_completions_sql as sql
from desk.callbacks.batched_completions_sql import Completion
from desk.callbacks.model import Attempt, Callback
from desk.callbacks.repository import CHANNEL
from desk.clock import Clock
from desk.database.batching import Batcher
from desk.database.driver import Driver
from desk.database.engine import Database
from desk.database.unit_of_work import on_driver
from desk.departments.calendar import may_ring
from desk.departments.departments import Departments
from desk.inquiries.batched import Batched


class BatchedCompletions(Batched[Callback]):
    """The batched completions of one database, for requests that are no part of a larger unit of work."""

    def __init__(self, *, database: Database, departments: Callable[[], Departments], clock: Clock) -> None:
        super().__init__(database=database, clock=clock, channel=CHANNEL)
        self._departments = departments
        self._completions: Batcher[Completion, Callback | None] = Batcher(self._complete)

    async def complete(self, completion: Completion) -> Callback | None:
        """Close a claimed callback. None if it can't be closed this way: the unbatched statement finds out why."""
        if self._database.dialect != "postgresql":
            return None
        return await self._completions.ask(completion)

    async def _complete(self, completions: Sequence[Completion]) -> list[Callback | None]:
        """Return each closed callback; None where the claim is over or the callback is not in the agent's scope."""

        async def step(driver: Driver) -> tuple[datetime, Sequence[Any]]:
            now = self._clock.now()
            return now, await sql.complete(driver, completions, now, self._ringing(completions, now))

        now, rows = await on_driver(self._database, step)
        found = await self._read(rows, [each.actor for each in completions])
        return [_with_attempt(found.get(n), each, now) for n, each in enumerate(completions, 1)]

    def _ringing(self, completions: Sequence[Completion], now: datetime) -> list[str]:
        """The departments that may call patients now, where there is an attempt to record."""
        if not any(each.outcome for each in completions):
            return []
        return [slug for slug, rules in self._departments().items() if may_ring(rules, now)]


def _with_attempt(callback: Callback | None, completion: Completion, now: datetime) -> Callback | None:
    """Add the attempt that the statement has made, unless the attempts were read after it."""
    if callback is None or completion.outcome is None:
        return callback
    made = Attempt(now, completion.actor.name, completion.outcome, True, completion.attempt_note)
    return callback if made in callback.attempts else replace(callback, attempts=(*callback.attempts, made))
