"""One worker process of one contender: takes jobs one after another, does nothing with them, and completes them.

Started by tests.bench.throughput. It prints «ready», waits for a line, works until the queue is empty, and prints its
CPU. Each has the same number of concurrent jobs and the same number of connections. No contender writes a log or
listens for new jobs: all jobs are there from the start.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable

import asyncpg
import procrastinate
from pgqueuer import QueueManager
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode

from desk.clock import SystemClock
from desk.database.engine import Database
from desk.inquiries.model import ClosedReason
from tests.support.desk.desk import as_agent, make_desk

OURS, OURS_TEN, PROCRASTINATE, PGQUEUER, PGQUEUER_TEN = "ours", "ours ×10", "procrastinate", "pgqueuer", "pgqueuer ×10"
DEPARTMENT = "kirurgi"
TASK = "callback"

Drain = Callable[[], Awaitable[None]]


def plain(url: str) -> str:
    """The address without SQLAlchemy's word for the driver."""
    return url.replace("+asyncpg", "")


def procrastinate_app(url: str, connections: int) -> procrastinate.App:
    app = procrastinate.App(
        connector=procrastinate.PsycopgConnector(conninfo=plain(url), min_size=connections, max_size=connections)
    )

    @app.task(name=TASK)
    async def nothing() -> None:
        """There is a job, and it is done."""

    return app


async def ours(url: str, at_once: int, ready: Drain, *, limit: int) -> None:
    """Claim `limit` callbacks, and close each with its fence: the work of an agent's program, without HTTP."""
    database = Database(url, pool_size=at_once)
    desk = make_desk(database, SystemClock())
    await asyncio.gather(*(database.ping() for _ in range(at_once)))
    await ready()

    async def agent(name: str) -> None:
        while taken := await desk.claiming.claim(as_agent(name), DEPARTMENT, limit=limit):
            for callback in taken:
                await desk.outcomes.close(as_agent(name), callback.id, ClosedReason.REACHED, fence=callback.fence)

    await asyncio.gather(*(agent(f"agent-{os.getpid()}-{n}") for n in range(at_once)))
    await database.close()


async def theirs_procrastinate(url: str, at_once: int, ready: Drain) -> None:
    app = procrastinate_app(url, at_once)
    async with app.open_async():
        await ready()
        await app.run_worker_async(concurrency=at_once, wait=False, listen_notify=False, install_signal_handlers=False)


async def theirs_pgqueuer(url: str, at_once: int, ready: Drain, *, limit: int) -> None:
    async with asyncpg.create_pool(plain(url), min_size=at_once, max_size=at_once) as pool:
        manager = QueueManager(Queries.from_asyncpg_pool(pool))

        @manager.entrypoint(TASK)
        async def nothing(_job: object) -> None:
            """There is a job, and it is done."""

        await ready()
        await manager.run(mode=QueueExecutionMode.drain, batch_size=limit, max_concurrent_tasks=max(at_once, 2 * limit))


CONTENDERS: dict[str, Callable[[str, int, Drain], Awaitable[None]]] = {
    OURS: lambda url, at_once, ready: ours(url, at_once, ready, limit=1),
    OURS_TEN: lambda url, at_once, ready: ours(url, at_once, ready, limit=10),
    PROCRASTINATE: theirs_procrastinate,
    PGQUEUER: lambda url, at_once, ready: theirs_pgqueuer(url, at_once, ready, limit=1),
    PGQUEUER_TEN: lambda url, at_once, ready: theirs_pgqueuer(url, at_once, ready, limit=10),
}


async def work(contender: str, url: str, at_once: int) -> None:
    async def ready() -> None:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)

    await CONTENDERS[contender](url, at_once, ready)
    times = os.times()
    print(json.dumps({"cpu": times.user + times.system}), flush=True)


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.bench.contenders")
    asked.add_argument("contender", choices=CONTENDERS)
    asked.add_argument("url")
    asked.add_argument("--at-once", type=int, required=True)
    given = asked.parse_args()
    logging.disable(logging.CRITICAL)
    import uvloop

    uvloop.run(work(given.contender, given.url, given.at_once))


if __name__ == "__main__":
    main()
