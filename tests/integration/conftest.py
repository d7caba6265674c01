"""A migrated database on each engine in turn, and a desk on it."""

from collections.abc import AsyncIterator

import pytest

from desk.desk import Desk
from desk.storage.database import Database
from tests.fakes import FakeClock
from tests.integration.desk_world import make_desk


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """The newest tables, empty."""
    opened = Database(migrated_url)
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> FakeClock:
    """Tuesday 24 November 2026, 09:00 in Oslo."""
    return FakeClock()


@pytest.fixture
def desk(database: Database, clock: FakeClock) -> Desk:
    return make_desk(database, clock)
