"""Agents in a separate process: claim, work briefly, complete, and repeat until the process is killed.

One callback in `slow_one_in` takes its first two agents longer than their lease, so that another agent owns it when
they complete it. A mutant is a desk with one fault, which the checker must find.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import true, update

from desk.access.actor import Actor
from desk.callbacks import batched_completions_sql as completions_sql
from desk.callbacks.model import Callback
from desk.callbacks.services import CallbackServices
from desk.clock import SystemClock
from desk.database.engine import Database
from desk.database.errors import StorageUnavailable
from desk.errors import DeskError
from desk.inquiries import claims_repository as claims
from desk.inquiries import transitions
from desk.inquiries.claiming import Claiming
from desk.inquiries.model import ClosedReason
from desk.schema.tables import inquiries
from tests.support.claims.history import LOST, OK, Journal
from tests.support.desk.desk import as_agent, make_desk

c = inquiries.c


async def work_for_ever(desk: CallbackServices, journal: Journal, agent: str, lease: float, slow_one_in: int) -> None:
    while True:
        journal.asked("claim")
        try:
            taken = await desk.claiming.claim(as_agent(agent), "kirurgi")
        except StorageUnavailable:
            continue  # result unknown
        if not taken:
            journal.answered(LOST)
            await asyncio.sleep(0.05)
            continue
        (callback,) = taken
        journal.answered(OK, callback.id, callback.fence)
        slow = callback.fence < 3 and int(callback.id[:8], 16) % slow_one_in == 0
        await asyncio.sleep(lease * 1.5 if slow else 0)
        journal.asked("complete", callback.id, callback.fence)
        try:
            await desk.outcomes.close(as_agent(agent), callback.id, ClosedReason.REACHED, fence=callback.fence)
            journal.answered(OK)
        except StorageUnavailable:
            continue
        except DeskError:
            journal.answered(LOST)


# --- mutants


def no_condition() -> None:
    """The next in line is selected without a lock, and claimed without a check."""
    first_in_line = claims.first_in_line
    claims.first_in_line = lambda *given: first_in_line(*given).with_for_update(read=True, key_share=True)
    claims.still_waits = true


def no_fencing() -> None:
    """Accepts a completion from any agent."""
    transitions.require_claim = lambda *_given: None  # type: ignore[assignment]
    claims.held = lambda agent, _fence: [c.status == "claimed", c.claimed_by == agent]
    completions_sql.COMPLETE = completions_sql.complete_statement()


def not_atomic() -> None:
    """A claim in two commits: first the status, then the lease. One in thirty dies between them, as if killed there."""
    claim = Claiming.claim

    async def in_two(self: Claiming[Callback], by: Actor, department: str, **more: Any) -> Any:
        lease = self._lease
        self._lease = self._batched._lease = timedelta(days=1)
        taken = await claim(self, by, department, **more)
        self._lease = self._batched._lease = lease
        for callback in taken:
            if int(callback.id[:8], 16) % 30 == 0:  # a kill from outside seldom meets so short a moment
                os.kill(os.getpid(), signal.SIGKILL)
            mine = (c.id == callback.id, c.status == "claimed", c.fence == callback.fence)
            async with self._database.begin() as connection:
                await connection.execute(update(inquiries).where(*mine).values(lease_until=datetime.now(UTC) + lease))
        return taken

    Claiming.claim = in_two  # type: ignore[method-assign, assignment]


MUTANTS: dict[str, Callable[[], None]] = {
    "none": lambda: None,
    "no-condition": no_condition,
    "no-fencing": no_fencing,
    "not-atomic": not_atomic,
}


async def claim_for_ever(url: str, journals: list[Path], lease: float, slow_one_in: int) -> None:
    database = Database(url, pool_size=2)  # a killed process is soon replaced, so connecting must be cheap
    desk = make_desk(database, SystemClock(), lease=timedelta(seconds=lease))
    await asyncio.gather(*(work_for_ever(desk, Journal(each), each.stem, lease, slow_one_in) for each in journals))


def run(url: str, journals: list[Path], lease: float, slow_one_in: int, mutant: str) -> None:
    """Run the process, with an agent for each journal, until it is killed."""
    MUTANTS[mutant]()
    asyncio.run(claim_for_ever(url, journals, lease, slow_one_in))
