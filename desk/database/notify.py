"""NOTIFY for other processes when history was written: after the commit, and one for many commits.

Inside the transaction it would slow all others down: PostgreSQL holds one lock for every transaction that notifies,
from before its commit is on disk until after, so commits would be synced one by one instead of many at a time. If a
process dies between the commit and the NOTIFY, readers find the rows when they poll, which they do anyway.
"""

import asyncio
from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager, suppress
from contextvars import Context
from typing import Any

from desk.database.faults import FAILURES

HISTORY = "innringing_history"
"""The channel for every row of the history."""
DIALS = "innringing_dials"
"""The channel for the steps of dials, which are rows of the history too. Only the dialler listens."""
PAUSE_SECONDS = 0.02
"""The pause between two notifications. The second covers everything written meanwhile."""

_WRITTEN = "written"
"""A key of the connection's `info`, set until the commit: the channels to notify."""
_NOTIFY = "select pg_notify(channel, '') from unnest($1::text[]) as channel"


def announce(info: dict[Any, Any], *channels: str) -> None:
    """Have the channels notified when the connection with this `info` commits."""
    info[_WRITTEN] = info.get(_WRITTEN, frozenset()) | frozenset(channels)


def take_announced(info: dict[Any, Any]) -> frozenset[str]:
    """Return the channels that were announced on a connection, and forget them."""
    announced: frozenset[str] = info.pop(_WRITTEN, frozenset())
    return announced


class Notifier:
    """Notifies for one `Database` on PostgreSQL."""

    def __init__(self, opened: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
        """`opened` opens a connection of the driver."""
        self._opened = opened
        self._channels: frozenset[str] = frozenset()
        self._sending: asyncio.Task[None] | None = None

    def notify(self, channels: Collection[str]) -> None:
        """Notify soon, without waiting for it."""
        self._channels |= frozenset(channels)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.get_running_loop().create_task(self._send(), context=Context())

    async def close(self) -> None:
        """Wait until everything is sent."""
        if self._sending is not None:
            await asyncio.gather(self._sending, return_exceptions=True)

    async def _send(self) -> None:
        while channels := self._channels:
            self._channels = frozenset()
            with suppress(*FAILURES):
                async with self._opened() as raw:
                    await raw.fetch(_NOTIFY, sorted(channels))
            await asyncio.sleep(PAUSE_SECONDS)
