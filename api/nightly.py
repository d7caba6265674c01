"""Looks once a minute whether this night's deleting is still to be done, and does it. One process does it for all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from desk.errors import StorageUnavailable
from desk.retention import Retention

EVERY_SECONDS = 60.0

log = structlog.get_logger(__name__)


@asynccontextmanager
async def deleting_nightly(retention: Retention, *, every: float = EVERY_SECONDS) -> AsyncIterator[None]:
    """Inside the block. A database that is away is waited for; a fault of ours is logged, and tried again."""
    task = asyncio.create_task(_look(retention, every))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _look(retention: Retention, every: float) -> None:
    while True:
        try:
            await retention.run_if_due()
        except StorageUnavailable:
            log.warning("nothing deleted: the database can't be reached")
        except Exception as fault:
            log.error("nothing deleted", error=type(fault).__name__)
        await asyncio.sleep(every)
