"""NOTIFY for other processes when history was written: after the commit, and one for many commits.

Inside the transaction it would slow all others down: PostgreSQL holds one lock for every transaction that notifies,
from before its commit is on disk until after, so commits would be synced one by one instead of many at a time. If a
process dies between the commit and the NOTIFY, readers find the rows when they poll, which they do anyway.
"""

import asyncio
from contextlib import suppress
from contextvars import Context

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

CHANNEL = "innringing_history"
HISTORY_WRITTEN = "history was written"
"""A key of the connection's `info`, set until the commit."""
PAUSE_SECONDS = 0.005
"""The pause between two notifications. The second covers everything written meanwhile."""

_NOTIFY = text("select pg_notify(:channel, '')")


class Notifier:
    """Notifies for one `Database` on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` commits each statement by itself."""
        self._engine = engine
        self._again = False
        self._sending: asyncio.Task[None] | None = None

    def notify(self) -> None:
        """Notify soon, without waiting for it."""
        self._again = True
        if self._sending is None or self._sending.done():
            self._sending = asyncio.get_running_loop().create_task(self._send(), context=Context())

    async def close(self) -> None:
        """Wait until everything is sent."""
        if self._sending is not None:
            await asyncio.gather(self._sending, return_exceptions=True)

    async def _send(self) -> None:
        while self._again:
            self._again = False
            with suppress(SQLAlchemyError, OSError, TimeoutError):
                async with self._engine.connect() as connection:
                    await connection.execute(_NOTIFY, {"channel": CHANNEL})
            await asyncio.sleep(PAUSE_SECONDS)
