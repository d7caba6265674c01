"""Plain aioari and minimal conversations, for the tests of its traps."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ivr.asterisk.ari import aioari
from ivr.calls.call import Call
from tests.support.phone.fake_ari import PASSWORD, USER, FakeAri
from tests.support.phone.phone_door import until

LITTLE = 0.5  # seconds for plain aioari to do what our client does at once


@asynccontextmanager
async def stock(fake: FakeAri, password: str = PASSWORD) -> AsyncIterator[Any]:
    """A client created as in aioari's documentation, not yet running."""
    client = await aioari.connect(fake.url, USER, password)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def stock_running(fake: FakeAri, client: Any) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(client.run("innringing"))
    await until(lambda: fake.connections or task.done())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def silence(call: Call, *_: Any) -> None:
    """A conversation that waits for keys until the caller hangs up."""
    await call.collect(digits=99, first=60, between=60)


async def one_prompt(call: Call, *_: Any) -> None:
    await call.play("welcome")


async def nothing() -> None:
    return None
