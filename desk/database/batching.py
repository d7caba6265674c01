"""Batching: requests that arrive at the same time share one unit of work.

While one batch is on its way to the disk, new requests are collected for the next. A request does not wait for others:
if it is alone, it is a batch of one. So a busy process commits seldom, and an idle one at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

from desk.database.unit_of_work import shielded

MOST = 50

K = TypeVar("K")
Q = TypeVar("Q")
A = TypeVar("A")


class Batcher(Generic[Q, A]):
    """Collects requests. `answer` gets up to `most` of them in order, and returns a result for each, or raises."""

    def __init__(self, answer: Callable[[Sequence[Q]], Awaitable[Sequence[A]]], *, most: int = MOST) -> None:
        self._answer = answer
        self._most = most
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._under_way: asyncio.Task[None] | None = None

    async def ask(self, question: Q) -> A:
        """Return the result of that request. A cancelled caller still waits for it. Raises what `answer` raised."""
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._under_way is None:
            self._go()
        return await shielded(future)

    @property
    def idle(self) -> bool:
        """Whether no request is waiting or in progress."""
        return self._under_way is None and not self._waiting

    def _go(self) -> None:
        # A context of its own, so that log lines about the batch don't carry the request id of one caller.
        self._under_way = asyncio.get_running_loop().create_task(self._next(), context=Context())

    async def _next(self) -> None:
        taken, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        try:
            answers = await self._answer([question for question, _ in taken])
        except BaseException as error:
            for _, future in taken:
                future.set_exception(error) if isinstance(error, Exception) else future.cancel()
            if not isinstance(error, Exception):
                raise
        else:
            for (_, future), answer in zip(taken, answers, strict=True):
                future.set_result(answer)
        finally:
            self._under_way = None
            if self._waiting:
                self._go()


class SingleFlight(Generic[K, A]):
    """Shares a read between callers that want the same at the same moment, as all screens do when a callback changes.

    Only callers that asked before the read started share it, so no one gets a result older than the request.
    """

    def __init__(self) -> None:
        self._reads: dict[K, Batcher[Callable[[], Awaitable[A]], A]] = {}

    async def run(self, key: K, work: Callable[[], Awaitable[A]]) -> A:
        """Return the result of `work`, or of another caller's with the same `key`. Raises what that raised."""
        reads = self._reads.setdefault(key, Batcher(_one_for_all))
        try:
            return await reads.ask(work)
        finally:
            if reads.idle and self._reads.get(key) is reads:
                del self._reads[key]


async def _one_for_all(works: Sequence[Callable[[], Awaitable[A]]]) -> list[A]:
    return [await works[0]()] * len(works)
