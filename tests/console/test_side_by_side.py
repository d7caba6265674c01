"""Two agents and a leader side by side: every page becomes right again after whatever anyone does."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from tests.support.web.browser import chromium
from tests.support.web.side_by_side import side_by_side

CHANGES = 25
PATIENCE = 30.0  # seconds; a limit against hanging. How fast pages follow is measured by tests/bench/side_by_side.py


async def test_every_page_is_right_after_changes_by_rest_by_clicks_and_by_callers(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'innringing.db'}"
    async with AsyncExitStack() as stack:
        browser = await stack.enter_async_context(chromium())
        made = await side_by_side(stack, browser, url, tmp_path, seed=16)
        for _ in range(CHANGES):
            await made.change()
        async with asyncio.timeout(PATIENCE):
            for screen in made.screens:
                while await screen.look():
                    await made.truth.read()
                    await asyncio.sleep(0.1)
