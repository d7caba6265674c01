"""An audit in a separate process, for tests that race or kill one: `python -m tests.support.desk.audit_process …`.

<url> <name>   adds rows four at a time, for ever, and prints how many there are once they are committed
"""

import asyncio
import itertools
import sys

from desk.clock import SystemClock
from desk.database.engine import Database
from tests.support.desk.audit import entry, make_audit


async def main(url: str, name: str) -> None:
    audit = make_audit(Database(url, pool_size=2), SystemClock())
    for n in itertools.count(1):
        await asyncio.gather(*(audit.record(entry(request_id=f"step-{n}", who=name)) for _ in range(4)))
        print(4 * n, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
