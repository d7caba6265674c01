"""A desk in a separate process, for tests that race or kill one. `python -m tests.support.desk.desk_process claim …`.

claim <url> <agent> <limit>   waits for a line on stdin, claims until nothing is left, prints the ids
register <url> <name>         registers one caller after another, printing each number once it is stored, for ever
"""

import asyncio
import itertools
import sys

from desk.access.actor import CALLER, SYSTEM
from desk.callbacks.model import CallKey
from desk.callbacks.services import CallbackServices
from desk.clock import SystemClock
from desk.database.engine import Database
from tests.support.desk.desk import as_agent, make_desk, person, phone


async def claim_all(desk: CallbackServices, agent: str, limit: int) -> None:
    await desk.lists.counts(SYSTEM)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    mine: list[str] = []
    while taken := await desk.claiming.claim(as_agent(agent), "kirurgi", limit=limit):
        mine += [callback.id for callback in taken]
    print(*mine, flush=True)


async def register_for_ever(desk: CallbackServices, name: str) -> None:
    for n in itertools.count():
        await desk.registration.register(CALLER, CallKey(name, str(n)), "kirurgi", person(n % 50), phone(n % 50))
        print(n, flush=True)


async def main(what: str, url: str, name: str, limit: str = "1") -> None:
    database = Database(url, pool_size=2)
    desk = make_desk(database, SystemClock())
    await (claim_all(desk, name, int(limit)) if what == "claim" else register_for_ever(desk, name))
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
