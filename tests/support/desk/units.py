"""Units of work for tests that call a repository directly."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from desk.access.actor import SYSTEM, Actor
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Unit
from tests.support.fakes import FakeClock


@asynccontextmanager
async def a_unit(database: Database, *, clock: Clock | None = None, actor: Actor = SYSTEM) -> AsyncIterator[Unit]:
    """A unit of work that is committed at the end of the block."""
    async with database.begin() as connection:
        yield Unit(connection, clock or FakeClock(), actor)
