"""Tells other processes that history was written: NOTIFY, after the commit, and one for many.

Inside the unit of work it would cost every other one dear: PostgreSQL holds one lock for all who notify, from before
their commit is on disk until after, so that units of work would be synced one by one instead of many at a time. Who
dies between the commit and the telling is found by those who look now and then, which they do anyway.
"""

import asyncio
from contextlib import suppress
from contextvars import Context

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

CHANNEL = "innringing_history"
HISTORY_WRITTEN = "history was written"
"""What the connection of a unit of work remembers until its commit."""
PAUSE_SECONDS = 0.005
"""Between two tellings: what was written meanwhile is told by the second."""

_NOTIFY = text("select pg_notify(:channel, '')")


class Notifier:
    """One for each `Database` on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` commits each statement by itself."""
        self._engine = engine
        self._again = False
        self._telling: asyncio.Task[None] | None = None

    def tell(self) -> None:
        """Soon; waits for nothing."""
        self._again = True
        if self._telling is None or self._telling.done():
            self._telling = asyncio.get_running_loop().create_task(self._tell(), context=Context())

    async def close(self) -> None:
        """When all is told."""
        if self._telling is not None:
            await asyncio.gather(self._telling, return_exceptions=True)

    async def _tell(self) -> None:
        while self._again:
            self._again = False
            with suppress(SQLAlchemyError, OSError, TimeoutError):
                async with self._engine.connect() as connection:
                    await connection.execute(_NOTIFY, {"channel": CHANNEL})
            await asyncio.sleep(PAUSE_SECONDS)
