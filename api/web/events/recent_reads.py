"""Reads that many streams need at the same moment, done once."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from contextvars import Context
from typing import Any, Final, TypeVar

MOST: Final = 64
A = TypeVar("A")


class RecentReads:
    """Keeps the newest results. A key names a state that never changes, such as the id of the newest change."""

    def __init__(self) -> None:
        self._reads: OrderedDict[Hashable, asyncio.Task[Any]] = OrderedDict()

    async def get(self, key: Hashable, work: Callable[[], Awaitable[A]]) -> A:
        """Return the result of `work` for that key; only the first one to ask runs it. Raises what it raised."""

        async def run() -> A:
            return await work()

        read = self._reads.get(key)
        if read is None:
            # A context of its own, so that log lines don't carry the request id of the one who asked first.
            read = self._reads[key] = asyncio.get_running_loop().create_task(run(), context=Context())
            read.add_done_callback(lambda done: self._forget_failed(key, done))
            while len(self._reads) > MOST:
                self._reads.popitem(last=False)
        result: A = read.result() if read.done() else await asyncio.shield(read)
        return result

    def _forget_failed(self, key: Hashable, done: asyncio.Task[Any]) -> None:
        if (done.cancelled() or done.exception() is not None) and self._reads.get(key) is done:
            del self._reads[key]
