"""Closing a department's queue for a time."""

from collections.abc import Callable
from datetime import datetime

from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, unit_of_work
from desk.departments.departments import Departments
from desk.promises import repository as rows
from desk.promises.errors import ClosureNotFound, ClosureOver
from desk.promises.model import Closure, DelayReason


class Closures(Service):
    """The closures of all departments."""

    def __init__(self, *, database: Database, departments: Callable[[], Departments], clock: Clock) -> None:
        super().__init__(database=database, clock=clock)
        self._departments = departments

    @unit_of_work
    async def close_queue(
        self,
        unit: Unit,
        department: str,
        *,
        from_: datetime,
        until: datetime,
        text: DelayReason = DelayReason.CLOSED_TODAY,
    ) -> Closure:
        """Close the queue from `from_` until `until`. Anyone who calls then hears `text` and is promised a later time.

        The closure replaces those it overlaps, so a shorter one ends an earlier one. `until` is after `from_`.
        Raises DepartmentNotAllowed, DepartmentNotFound, or ClosureOver if `until` has passed.
        """
        unit.actor.require(department)
        self._departments().get(department)
        if until <= unit.now:
            raise ClosureOver
        return await rows.add(unit, department, from_=from_, until=until, text=text)

    @unit_of_work
    async def list_closures(self, unit: Unit, department: str) -> list[Closure]:
        """Return the department's closures that are not over, in order. Raises as `close_queue` does."""
        unit.actor.require(department)
        self._departments().get(department)
        return await rows.standing(unit, department)

    @unit_of_work
    async def end(self, unit: Unit, department: str, id: int) -> None:
        """End a closure now, or withdraw one that has not started. Promises that were made under it do not change.

        Raises DepartmentNotAllowed, DepartmentNotFound, ClosureNotFound.
        """
        unit.actor.require(department)
        self._departments().get(department)
        if not await rows.end(unit, department, id):
            raise ClosureNotFound

    @unit_of_work
    async def closed_now(self, unit: Unit) -> dict[str, Closure]:
        """Return the closure that each closed department is under now, by its slug."""
        return {each.department: each for each in await rows.in_force(unit)}
