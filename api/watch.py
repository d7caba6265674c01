"""Looks at the promises once a minute and has the leaders warned of those that won't be kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from desk.errors import StorageUnavailable
from desk.ledger import Ledger

EVERY_SECONDS = 60.0

log = structlog.get_logger(__name__)


@asynccontextmanager
async def watching(ledger: Ledger, *, every: float = EVERY_SECONDS) -> AsyncIterator[None]:
    """Inside the block promises are watched. A database that is away is waited for; a fault of ours is logged."""
    task = asyncio.create_task(_watch(ledger, every))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _watch(ledger: Ledger, every: float) -> None:
    while True:
        try:
            await ledger.warn()
        except StorageUnavailable:
            log.warning("promises not watched: the database can't be reached")
        except Exception as fault:
            log.error("promises not watched", error=type(fault).__name__)
        await asyncio.sleep(every)
