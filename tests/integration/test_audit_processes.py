"""Several processes add to one chain, and a process killed in the middle leaves it intact; on both engines."""

import asyncio
import itertools
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter

from desk.database.engine import Database
from tests.support.desk.audit import everything, faults

ROWS = 40


async def started(url: str, name: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.desk.audit_process", url, name), stdout=PIPE
    )


async def reported(process: Process) -> int:
    """The number of committed rows that the process reports next."""
    assert process.stdout is not None
    return int(await process.stdout.readline())


async def killed(process: Process) -> int:
    """Kill the process at any point. Returns the number of committed rows that it last reported."""
    process.kill()
    assert process.stdout is not None
    *_, last = [0, *(int(line) for line in (await process.stdout.read()).splitlines(True) if line.endswith(b"\n"))]
    await process.wait()
    return last


async def test_processes_share_one_chain_which_survives_a_kill(migrated_url: str, database: Database) -> None:
    async with asyncio.timeout(50):
        one, other = await started(migrated_url, "one"), await started(migrated_url, "other")
        said = {"one": 0, "other": 0}
        while min(said.values()) < ROWS:
            said["one"], said["other"] = await reported(one), await reported(other)
        said["one"] = max(said["one"], await killed(one))
        again = await reported(other)
        said["other"] = max(again, await killed(other))
    rows = await everything(database)
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    assert await faults(database) == []
    written = Counter(row.who for row in rows)
    for name, committed in said.items():
        assert written[name] >= committed
    runs = [row.who for row in rows]
    assert any(before != after for before, after in itertools.pairwise(runs))
