"""Emergency access («nødrett»): a look into a department not one's own, for a short time, with a reason, told at once.

It ends by itself: what is open is asked with each request (desk/accounts/emergency_repository.py), in the statement
that looks the
agent up. Opening and ending are rows of the history, so all who follow the department's changes are told live.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog

from desk.access.agent import Agent
from desk.access.permissions import WIDENED, Permission
from desk.accounts import emergency_repository as rows
from desk.accounts import repository as agents
from desk.accounts.emergency_repository import EmergencyRow
from desk.accounts.errors import AgentNotFound, EmergencyNotFound, EmergencyNotNeeded, NarrowedToken
from desk.accounts.tokens import repository as tokens
from desk.accounts.tokens.service import hashed
from desk.clock import Clock
from desk.database import cursors
from desk.database.engine import Connection, Database
from desk.database.pages import Page
from desk.database.unit_of_work import UnitsOfWork
from desk.departments.departments import Departments
from desk.history import history
from desk.history.history import Entry

__all__ = ["Emergencies", "EmergencyRow"]

SHORTEST, USUAL, LONGEST = timedelta(minutes=1), timedelta(minutes=15), timedelta(minutes=60)
OPENED: Final = "emergency_opened"
ENDED: Final = "emergency_ended"

log = structlog.get_logger(__name__)


class Emergencies(UnitsOfWork):
    """Emergency access to the departments of one database."""

    def __init__(self, *, database: Database, departments: Callable[[], Departments], clock: Clock) -> None:
        super().__init__(database)
        self._departments = departments
        self._clock = clock

    async def open(
        self, agent: Agent, department: str, reason: str, *, lasting: timedelta = USUAL, by: str | None = None
    ) -> EmergencyRow:
        """From the next request on the agent may do there what they may do elsewhere of READ and WORK.

        `lasting` is held within 1 and 60 minutes. `by`: the token it is asked for with; None is a log-in. Raises
        DepartmentNotFound, EmergencyNotNeeded for a department that is open to the agent already, and NarrowedToken:
        what a program was given for less must not open more to whoever finds it.
        """
        self._departments().get(department)
        if not any(agent.may(each) and not agent.scope(each).covers(department) for each in WIDENED):
            raise EmergencyNotNeeded

        async def work(connection: Connection) -> EmergencyRow:
            now = self._clock.now()
            if by is not None and await tokens.is_narrowed(connection, hashed(by)):
                raise NarrowedToken
            until = now + max(SHORTEST, min(lasting, LONGEST))
            owner = await agents.by_name(connection, agent.name)
            if owner is None:
                raise AgentNotFound
            await rows.one_at_a_time(connection, owner.id)
            if await rows.live(connection, owner.id, department, now):
                raise EmergencyNotNeeded
            id = await rows.add(connection, owner.id, department=department, reason=reason, at=now, until=until)
            await history.append(connection, [Entry(None, department, now, OPENED, agent.name)])
            return EmergencyRow(id, owner.id, agent.name, department, reason, now, until, None, None)

        given = await self._write(work)
        log.warning("emergency access opened", agent=agent.name, department=department, until=given.until.isoformat())
        return given

    async def end(self, id: int, by: Agent) -> EmergencyRow:
        """End it before its time: its holder, or a leader of the department. One that is over stays as it is.

        Raises EmergencyNotFound, also for who may not end it.
        """

        async def work(connection: Connection) -> EmergencyRow:
            now = self._clock.now()
            found = await rows.locked(connection, id, scope=by.scope(Permission.CLOSE), or_of=by.name)
            if found is None:
                raise EmergencyNotFound
            if found.ended_at is None and found.until > now:
                await rows.end(connection, id, now, by.name)
                await history.append(connection, [Entry(None, found.department, now, ENDED, by.name)])
            return await rows.locked(connection, id, scope=by.scope(Permission.CLOSE), or_of=by.name) or found

        return await self._write(work)

    async def list(
        self, reader: Agent, *, department: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[EmergencyRow]:
        """Those of the departments `reader` oversees, and their own; newest first. Raises BadCursor."""
        before = cursors.emergency_place(cursor) if cursor is not None else None
        found = await self._read(
            lambda connection: rows.page(
                connection,
                scope=reader.scope(Permission.OVERSEE),
                or_of=reader.name,
                department=department,
                before=before,
                limit=limit + 1,
            )
        )
        return Page(found[:limit], cursors.after_emergency(found[limit - 1].id) if len(found) > limit else None)
