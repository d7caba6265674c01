"""Units of work: run whole or not at all, again when another got there first, never cut in half by a hang-up."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from desk.access.permissions import Scope
from desk.clock import Clock
from desk.database.engine import Conflict, Connection, Database
from desk.database.errors import StorageUnavailable
from desk.departments.departments import Department, Departments
from desk.messages.notices import Notices
from desk.vault.vault import Vault

TRIES = 5

T = TypeVar("T")

_outer: Final[ContextVar[tuple[Database, Connection] | None]] = ContextVar(
    "the unit of work this one is part of", default=None
)


async def shielded(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` to its end even when the awaiting task is cancelled; the cancellation goes on afterwards.

    A caller who hangs up cancels a dialogue. Were that to reach a statement or a commit, the driver would drop the
    connection half-way and nobody would know whether the callback is stored. So the unit of work runs in a task of its
    own, and the cancelled one waits for it: whole or not at all, and no loose task afterwards.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue  # cancelled again: the time limits of the database bound the wait
        if not task.cancelled():
            task.exception()  # seen: nobody is left to be told of it
        raise


class UnitsOfWork:
    """What the desk's classes share: one way to write and one way to look."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def together(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """One unit of work out of several: what `work` asks of desks on this database commits with it, or not at all.

        It may run more than once, as every unit of work may.
        """

        async def as_one(connection: Connection) -> T:
            token = _outer.set((self._database, connection))
            try:
                return await work(connection)
            finally:
                _outer.reset(token)

        return await self._write(as_one)

    async def _write(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `work` in one unit of work and commit; again from its start when another one got there first."""
        if outer := self._part_of():
            return await work(outer)
        return await shielded(_again(self._database.begin, work))

    async def _one_statement(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """As `_write`, for `work` that runs one statement, which commits by itself: two trips less."""
        return await shielded(_again(self._database.alone, work))

    async def _read(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        if outer := self._part_of():
            return await work(outer)

        async def in_one_look() -> T:
            async with self._database.read() as connection:
                return await work(connection)

        return await shielded(in_one_look())

    def _part_of(self) -> Connection | None:
        """The connection of the unit of work this one is part of, on the same database."""
        outer = _outer.get()
        return outer[1] if outer and outer[0] is self._database else None


class QueueWork(UnitsOfWork):
    """Units of work on the queue itself, with the departments' rules, the vault and the clock they need."""

    def __init__(
        self,
        *,
        database: Database,
        departments: Callable[[], Departments],
        vault: Vault,
        clock: Clock,
        notices: Notices | None = None,
    ) -> None:
        """Without `notices` patients are told nothing in writing."""
        super().__init__(database)
        self._departments = departments
        self._vault = vault
        self._clock = clock
        self._notices = notices or Notices(vault=vault, texts=lambda: None)

    def _rules(self, department: str, scope: Scope) -> Department:
        """The rules of a department that was named. Raises DepartmentNotAllowed, DepartmentNotFound.

        Outside the scope it is not told whether there is one of that name.
        """
        scope.require(department)
        return self._departments().get(department)


async def _again(
    opened: Callable[[], AbstractAsyncContextManager[Connection]], work: Callable[[Connection], Awaitable[T]]
) -> T:
    for _ in range(TRIES):
        try:
            async with opened() as connection:
                result = await work(connection)
            return result
        except Conflict:
            continue
    raise StorageUnavailable
