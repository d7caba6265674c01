"""What is asked at the same time is answered by one unit of work.

While one is on its way to the disk, what is asked meanwhile gathers, and goes into the next together. Nobody waits for
others to come: who asks alone is answered alone. So a busy process commits seldom, and an idle one at once.
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
    """`answer` gets up to `MOST` questions, in the order they were asked, and gives as many answers, or raises."""

    def __init__(self, answer: Callable[[Sequence[Q]], Awaitable[Sequence[A]]]) -> None:
        self._answer = answer
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._under_way: asyncio.Task[None] | None = None

    async def ask(self, question: Q) -> A:
        """The answer to that question; awaited to its end even by who is cancelled. Raises what `answer` raised."""
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._under_way is None:
            self._go()
        return await shielded(_of(future))

    @property
    def idle(self) -> bool:
        return self._under_way is None and not self._waiting

    def _go(self) -> None:
        # A context of its own: no asker's request id on the log lines of all, and no unit of work it is part of.
        self._under_way = asyncio.get_running_loop().create_task(self._next(), context=Context())

    async def _next(self) -> None:
        taken, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
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
    """Looks that many want at the same moment, as all screens do when one callback has changed.

    A look is shared by those who asked before it began: nobody gets anything older than the question.
    """

    def __init__(self) -> None:
        self._looks: dict[K, Batcher[Callable[[], Awaitable[A]], A]] = {}

    async def look(self, key: K, work: Callable[[], Awaitable[A]]) -> A:
        """What `work` gives, or that of another who asked with the same `key`. Raises what it raised."""
        looks = self._looks.setdefault(key, Batcher(_one_for_all))
        try:
            return await looks.ask(work)
        finally:
            if looks.idle and self._looks.get(key) is looks:
                del self._looks[key]


async def _one_for_all(works: Sequence[Callable[[], Awaitable[A]]]) -> list[A]:
    return [await works[0]()] * len(works)


async def _of(future: asyncio.Future[A]) -> A:
    return await future
