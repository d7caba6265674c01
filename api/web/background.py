"""Work that the service repeats in the background while it runs."""

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
    """Inside the block, do `work` at once and every `every` seconds; `not_done` is the log message when it fails.

    After any failure, also of the database, the work is tried again at the next turn.
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
