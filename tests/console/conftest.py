"""The web door in this process, on a migrated database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.web.api import World, open_world


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as opened:
        yield opened
