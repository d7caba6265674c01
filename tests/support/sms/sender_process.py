"""A separate process that sends once: `python -m tests.support.sms.sender_process <database url> <gateway url>`."""

import asyncio
import sys

from desk.database.engine import Database
from tests.support.fakes import FakeClock
from tests.support.sms.link_gateway import LinkGateway
from tests.support.sms.outbox import Office, link


async def main(database_url: str, gateway_url: str) -> None:
    database = Database(database_url, pool_size=2)
    async with link(LinkGateway(url=gateway_url), seconds=60) as ours:
        await Office(database, FakeClock()).outbox.send_next(ours)
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
