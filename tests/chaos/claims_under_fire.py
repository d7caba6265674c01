"""Eight processes claim and complete while one after another is killed (kill -9); then the histories are checked.

`python -m tests.chaos.claims_under_fire --callbacks 100000` is the long one, on a PostgreSQL that syncs each commit.
"""

import argparse
import asyncio
import itertools
import multiprocessing
import random
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess as Process
from pathlib import Path

from sqlalchemy import and_, func, or_, select

from desk.database.engine import Database
from desk.schema.migrate import migrate
from desk.schema.tables import history, inquiries
from ops.machine import postgres
from tests.support.claims import worker
from tests.support.claims.history import LOST, OK, Operation, Stored, faults, operations
from tests.support.desk.filled import waiting
from tests.support.machine.systems import create_database

PROCESSES = 8
AGENTS = 5
"""Agents in each process of the long run."""
LONG_LEASE = 3.0
"""In the long run the machine is too busy for a short lease: most would expire before the work is done."""
LEASE = 0.5
KILL_EVERY = 2.0
"""Seconds."""

c = inquiries.c


async def under_fire(
    url: str,
    folder: Path,
    *,
    count: int,
    agents: int = 1,
    lease: float = LEASE,
    slow_one_in: int = 500,
    mutant: str = "none",
) -> tuple[list[Operation], list[str]]:
    """Fill the queue, and let the agents work until nothing can be claimed. Returns the operations and their faults.

    With more than one of the `agents` in a process, their requests share statements and commits.
    """
    database = Database(url)
    names = (f"agent-{n}" for n in itertools.count())
    forks = multiprocessing.get_context(
        "forkserver"
    )  # forked and ready: the next kill must not hit a process that is still starting
    forks.set_forkserver_preload(["tests.support.claims.worker"])
    running: list[tuple[Process, Path]] = []
    chance = random.Random(4711)
    try:
        await waiting(database, count)

        def start() -> tuple[Process, Path]:
            journals = [folder / f"{next(names)}.jsonl" for _ in range(agents)]
            process = forks.Process(target=worker.run, args=(url, journals, lease, slow_one_in, mutant), daemon=True)
            process.start()
            return process, journals[-1]

        running += [start() for _ in range(PROCESSES)]
        next_kill = time.monotonic() + KILL_EVERY
        look_every = 0.2 if count < 10_000 else 1.0
        while await left(database):
            await asyncio.sleep(look_every)
            at_work = [n for n, (_, journal) in enumerate(running) if journal.exists()]
            if at_work and time.monotonic() >= next_kill:  # a process that is still starting has nothing to lose
                victim = chance.choice(at_work)
                process, _ = running[victim]
                process.kill()
                process.join()
                running[victim] = start()
                next_kill = time.monotonic() + KILL_EVERY
            dead = [n for n, (process, _) in enumerate(running) if not process.is_alive()]
            for n in dead:
                running[n] = start()
    finally:
        for process, _ in running:
            process.kill()
            process.join()
        stored = await outcome(database)
        await database.close()
    done = operations(folder)
    return done, faults(done, stored, lease)


async def left(database: Database) -> int:
    """The number of callbacks that can still be claimed, or have a lease of normal length."""
    soon = datetime.now(UTC) + timedelta(seconds=60)
    open_ = or_(c.status == "waiting", and_(c.status == "claimed", c.lease_until <= soon))
    async with database.read() as connection:
        return int((await connection.execute(select(func.count()).select_from(inquiries).where(open_))).scalar_one())


async def outcome(database: Database) -> list[Stored]:
    """Each callback with its state, and what its history says."""
    on_time = history.c.details["late"].as_string().is_(None)  # a claim that was taken up again late is no new one
    claimed = func.count().filter(history.c.event == "claimed", on_time)
    closed = func.count().filter(history.c.event == "closed")
    query = (
        select(c.id, c.status, c.fence, claimed, closed)
        .select_from(inquiries.outerjoin(history))
        .group_by(c.id, c.status, c.fence)
    )
    async with database.read() as connection:
        return [Stored(*row) for row in await connection.execute(query)]


async def long_run(count: int, engine: str) -> int:
    with tempfile.TemporaryDirectory(prefix="innringing-chaos-") as name, ExitStack() as running:
        folder = Path(name)
        if engine == "sqlite":
            url = f"sqlite+aiosqlite:///{folder / 'innringing.db'}"
        else:
            url = await create_database(running.enter_context(postgres.start(durable=True)))
        await migrate(url)
        begun = time.monotonic()
        done, found = await under_fire(url, folder, count=count, agents=AGENTS, lease=LONG_LEASE)
        seconds = time.monotonic() - begun
    processes = len({each.process for each in done}) // AGENTS
    answered = {what: sum(each.what == what and each.answer == OK for each in done) for what in ("claim", "complete")}
    print(f"{engine}: {count} callbacks, {PROCESSES} processes of {AGENTS} agents, ", end="")
    print(f"{processes - PROCESSES} killed, {seconds:.0f} s")
    print(f"{answered['claim']} claims and {answered['complete']} completions answered, ", end="")
    print(f"{sum(each.answer is None for each in done)} questions cut off by a kill, ", end="")
    print(f"{sum(each.what == 'complete' and each.answer == LOST for each in done)} completions fenced off")
    print("\n".join(found[:50]) or "0 lost, 0 double")
    return 1 if found else 0


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.chaos.claims_under_fire", description=__doc__)
    asked.add_argument("--callbacks", type=int, default=100_000)
    asked.add_argument("--engine", choices=("postgresql", "sqlite"), default="postgresql")
    given = asked.parse_args()
    raise SystemExit(asyncio.run(long_run(given.callbacks, given.engine)))


if __name__ == "__main__":
    main()
