"""A deadline for a use case: all of its waiting together, for a lock, for a connection and for the database itself."""

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from desk.database.errors import StorageUnavailable

T = TypeVar("T")

_until: Final[ContextVar[float | None]] = ContextVar("the deadline, on the loop's clock", default=None)
_abandoned: Final[set[asyncio.Task[Any]]] = set()


async def within(seconds: float, use_case: Coroutine[Any, Any, T]) -> T:
    """Await a use case for at most `seconds`. Raises StorageUnavailable after that.

    Its unit of work is not cut off: a driver that is interrupted in a statement may drop its connection. It ends by
    itself, and commits nothing after the deadline (`require_time`) unless the commit was already under way. So a caller
    who tries another way must allow for both to succeed.
    """

    async def run() -> T:
        _until.set(asyncio.get_running_loop().time() + seconds)
        return await use_case

    task = asyncio.create_task(run())
    _abandoned.add(task)
    task.add_done_callback(_finished)
    done, _ = await asyncio.wait((task,), timeout=seconds)
    if not done:
        raise StorageUnavailable
    return task.result()


def require_time() -> None:
    """Raises StorageUnavailable when the deadline of this use case has passed."""
    until = _until.get()
    if until is not None and asyncio.get_running_loop().time() > until:
        raise StorageUnavailable


def _finished(task: asyncio.Task[Any]) -> None:
    _abandoned.discard(task)
    if not task.cancelled():
        task.exception()  # marks it as retrieved: after the deadline no one else reads it
