"""Work the service does by itself, again and again, while it runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from desk.database.errors import StorageUnavailable

EVERY_SECONDS = 60.0

log = structlog.get_logger(__name__)


@asynccontextmanager
async def repeating(
    work: Callable[[], Awaitable[object]], *, not_done: str, every: float = EVERY_SECONDS
) -> AsyncIterator[None]:
    """Inside the block `work` is done at once and every so many seconds; `not_done` is what the log says when it isn't.

    A database that is away is waited for; a fault of ours is logged, and tried again.
    """
    task = asyncio.create_task(_repeat(work, not_done, every))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _repeat(work: Callable[[], Awaitable[object]], not_done: str, every: float) -> None:
    while True:
        try:
            await work()
        except StorageUnavailable:
            log.warning(f"{not_done}: the database can't be reached")
        except Exception as fault:
            log.error(not_done, error=type(fault).__name__)
        await asyncio.sleep(every)
