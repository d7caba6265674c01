"""Units of work: whole or not at all, retried when another one was first, never cut off half-way by a hang-up.

A service method is written as a step of a unit of work, and called by an actor:

    class Recordings(Service):
        @unit_of_work
        async def keep(self, unit: Unit, callback_id: CallbackId, alaw: bytes) -> bool: ...

    await recordings.keep(CALLER, callback_id, alaw)     # a unit of work of its own, committed when it returns
    await recordings.keep(unit, callback_id, alaw)       # a part of the unit of work it is called from

The decorator is the only place that begins, commits and retries. A unit of work may run several times before it
commits, so it must not do anything outside the database that can't be repeated.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from desk.access.actor import SYSTEM, Actor
from desk.access.permissions import Scope
from desk.access.trail import Trail
from desk.clock import Clock
from desk.database.deadline import require_time
from desk.database.driver import Driver
from desk.database.engine import Conflict, Connection, Database
from desk.database.errors import StorageUnavailable

TRIES = 5

C = TypeVar("C")
T = TypeVar("T")
P = ParamSpec("P")


class Unit:
    """One unit of work: its connection, the moment it happens, and who acts.

    `trail` holds what this run has shown; it joins the actor's own when the unit of work is committed.
    """

    def __init__(self, connection: Connection, clock: Clock, actor: Actor) -> None:
        self.connection = connection
        self.actor = actor
        self.trail = Trail()
        self._clock = clock
        self._now: datetime | None = None

    @property
    def now(self) -> datetime:
        """The moment of this unit of work (aware, UTC): the same each time it is read."""
        if self._now is None:
            self._now = self._clock.now()
        return self._now

    @property
    def scope(self) -> Scope:
        """The departments the actor may reach."""
        return self.actor.scope

    def saw(self, callback_id: str, department: str) -> None:
        """Record that this callback of this department is shown or changed."""
        self.trail.saw(callback_id)
        self.actor.reached(department)

    def at(self, moment: datetime) -> "Unit":
        """The same unit of work for steps that happened at `moment` and are stored only now."""
        unit = self.acting_as(self.actor)
        unit._now = moment
        return unit

    def as_system(self) -> "Unit":
        """The same unit of work for steps that show the actor nothing and reach every department."""
        return self.acting_as(SYSTEM)

    def acting_as(self, actor: Actor) -> "Unit":
        """The same connection and moment with another actor, whose trail is not this one's."""
        unit = Unit(self.connection, self._clock, actor)
        unit._now = self.now
        return unit


S = TypeVar("S", bound="Service")
Step = Callable[Concatenate[S, Unit, P], Awaitable[T]]
Method = Callable[Concatenate[S, Actor | Unit, P], Coroutine[Any, Any, T]]


def unit_of_work(step: Step[S, P, T]) -> Method[S, P, T]:
    """Make a step into a method that runs in a unit of work, which is opened, committed and retried here.

    Called with a `Unit`, the step becomes a part of that one. Raises StorageUnavailable.
    """
    return _method(step, lambda service: service._database.begin)


def one_statement(step: Step[S, P, T]) -> Method[S, P, T]:
    """As `unit_of_work`, for a step that runs one statement.

    On PostgreSQL it commits by itself: two round trips fewer. As a part of another unit of work it is any step.
    """
    return _method(step, lambda service: service._database.alone)


def reading(step: Step[S, P, T]) -> Method[S, P, T]:
    """As `unit_of_work`, for a step that only reads: it never waits for a writer."""
    return _method(step, lambda service: service._database.read)


def _method(
    step: Step[S, P, T], opening: Callable[[S], Callable[[], AbstractAsyncContextManager[Connection]]]
) -> Method[S, P, T]:
    @wraps(step)
    async def method(self: S, by: Actor | Unit, /, *args: P.args, **kwargs: P.kwargs) -> T:
        if isinstance(by, Unit):
            return await step(self, by, *args, **kwargs)

        async def run(connection: Connection) -> tuple[T, Trail]:
            unit = Unit(connection, self._clock, by)
            return await step(self, unit, *args, **kwargs), unit.trail

        result, trail = await shielded(_retried(opening(self), run))
        by.trail.add(trail)
        return result

    return method


async def on_driver(database: Database, step: Callable[[Driver], Awaitable[T]]) -> T:
    """Run a step that runs one statement on the driver, to its end and again as a unit of work is. PostgreSQL only.

    Raises StorageUnavailable.
    """
    return await shielded(_retried(database.driver, step))


class Service:
    """What every service of the desk has: a database to work on and a clock."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock


async def shielded(work: Coroutine[Any, Any, T] | asyncio.Future[T]) -> T:
    """Await `work` to its end even when the awaiting task is cancelled; then let the cancellation go on.

    A caller who hangs up cancels a dialogue. Were the cancellation to reach a statement or a commit, the driver would
    drop the connection half-way, and it would be unknown whether the callback is stored. So the unit of work runs in
    its own task, and the cancelled task waits for it.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue  # cancelled again: the database's time limits bound the wait
        if not task.cancelled():
            task.exception()  # marks it as retrieved: no caller is left to receive it
        raise


async def _retried(opened: Callable[[], AbstractAsyncContextManager[C]], work: Callable[[C], Awaitable[T]]) -> T:
    for _ in range(TRIES):
        try:
            async with opened() as connection:
                require_time()  # it may have waited long for the connection
                result = await work(connection)
                require_time()
            return result
        except Conflict:
            continue
    raise StorageUnavailable
