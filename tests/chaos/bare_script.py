"""The control: the same service as a bare aioari script, as its documentation suggests, with one table in SQLite.

It asks for the number, stores eleven digits with the number called from, says that they were received, and hangs up.
Nothing in it expects a fault. A shell loop starts it again when it ends.
"""

import asyncio
import os
import sqlite3
from typing import Any

import aioari

from tests.bench import peer


class Calls(peer.Calls):
    """One task for each call, and a row for each number."""

    def __init__(self, client: Any, database: sqlite3.Connection) -> None:
        super().__init__(client)
        self._database = database

    def store(self, phone: str, digits: str) -> None:
        self._database.execute("insert into callbacks values (?, ?)", (phone, digits))
        self._database.commit()


async def main() -> None:
    database = sqlite3.connect(os.environ["BARE_DATABASE"])
    database.execute("create table if not exists callbacks (phone text, identity text)")
    client = await aioari.connect(os.environ["BARE_ARI"], "innringing", os.environ["BARE_PASSWORD"])
    client.on_channel_event("StasisStart", Calls(client, database).started)
    await client.run(apps="bare")


if __name__ == "__main__":
    asyncio.run(main())
