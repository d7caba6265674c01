"""Emergency access («nødrett»): agents open another department for a short time, with a reason, announced at once.

It ends by itself: the statement that authenticates a request also asks which departments are open to the agent
(desk/accounts/emergency_repository.py). Opening and ending are rows of the history, so everyone who follows the
department's changes sees them live.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog

from desk.access.actor import Actor
from desk.access.agent import Agent
from desk.access.permissions import WIDENED
from desk.accounts import emergency_repository as rows
from desk.accounts import repository as agents
from desk.accounts.emergency_repository import EmergencyRow
from desk.accounts.errors import EmergencyNotFound, EmergencyNotNeeded, NarrowedToken
from desk.accounts.tokens import repository as tokens
from desk.accounts.tokens.model import hashed
from desk.clock import Clock
from desk.database import cursors
from desk.database.engine import Database
from desk.database.pages import Page
from desk.database.unit_of_work import Service, Unit, reading, unit_of_work
from desk.departments.departments import Departments
from desk.history import repository as history
from desk.history.model import HistoryEntry

__all__ = ["Emergencies", "EmergencyRow"]

SHORTEST, USUAL, LONGEST = timedelta(minutes=1), timedelta(minutes=15), timedelta(minutes=60)
OPENED: Final = "emergency_opened"
ENDED: Final = "emergency_ended"

log = structlog.get_logger(__name__)


class Emergencies(Service):
    """Emergency access to the departments of one database."""

    def __init__(self, *, database: Database, departments: Callable[[], Departments], clock: Clock) -> None:
        super().__init__(database=database, clock=clock)
        self._departments = departments

    async def open(
        self,
        actor: Actor,
        agent: Agent,
        department: str,
        reason: str,
        *,
        lasting: timedelta = USUAL,
        by: str | None = None,
    ) -> EmergencyRow:
        """Let the agent do there, from the next request on, what READ and WORK let them do elsewhere.

        `lasting` is limited to between 1 and 60 minutes. `by`: the token of the request; None for a session. Raises
        DepartmentNotFound; EmergencyNotNeeded for a department that is already open to the agent; NarrowedToken,
        because a token limited to less must not give more to someone who finds it.
        """
        self._departments().get(department)
        if not any(agent.may(each) and not agent.scope(each).covers(department) for each in WIDENED):
            raise EmergencyNotNeeded
        opened = await self._open(actor, department, reason, lasting, by)
        until = opened.until.isoformat()
        log.warning("emergency access opened", agent=opened.agent, department=department, until=until)
        return opened

    @unit_of_work
    async def _open(self, unit: Unit, department: str, reason: str, lasting: timedelta, by: str | None) -> EmergencyRow:
        if by is not None and await tokens.is_narrowed(unit, hashed(by)):
            raise NarrowedToken
        owner = await agents.get(unit, unit.actor.name)
        await rows.lock_agent(unit, owner.id)
        if await rows.is_open(unit, owner.id, department):
            raise EmergencyNotNeeded
        until = unit.now + max(SHORTEST, min(lasting, LONGEST))
        id = await rows.add(unit, owner.id, department=department, reason=reason, until=until)
        await history.add(unit, [HistoryEntry(None, department, OPENED)])
        return EmergencyRow(id, owner.id, owner.name, department, reason, unit.now, until, None, None)

    @unit_of_work
    async def end(self, unit: Unit, id: int) -> EmergencyRow:
        """End one of the actor's own, or one in the actor's scope. One that is over stays as it is.

        Raises EmergencyNotFound, also for one that isn't the actor's to end.
        """
        by = unit.actor.name
        found = await rows.locked(unit, id)
        if found is None:
            raise EmergencyNotFound
        if found.ended_at is None and found.until > unit.now:
            await rows.end(unit, id, by)
            await history.add(unit, [HistoryEntry(None, found.department, ENDED)])
        return await rows.locked(unit, id) or found

    @reading
    async def list(
        self, unit: Unit, *, department: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[EmergencyRow]:
        """Those of the departments in the actor's scope, and the actor's own; newest first. Raises BadCursor."""
        before = cursors.EMERGENCIES.key(cursor)[0] if cursor is not None else None
        found = await rows.page(unit, department=department, before=before, limit=limit + 1)
        return Page.cut(found, limit, lambda last: cursors.EMERGENCIES.after(last.id))
