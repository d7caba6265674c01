"""The control: the same service as a bare aioari script, as its documentation suggests, with one table in SQLite.

It asks for the number, stores eleven digits with the number called from, says that they were received, and hangs up.
Nothing in it expects a fault. A shell loop starts it again when it ends.
"""

import asyncio
import os
import sqlite3
from typing import Any

import aioari


class Calls:
    """One task for each call."""

    def __init__(self, client: Any, database: sqlite3.Connection) -> None:
        self._client = client
        self._database = database
        self._tasks: set[asyncio.Task[None]] = set()

    async def started(self, objects: dict[str, Any], event: dict[str, Any]) -> None:
        task = asyncio.create_task(self._serve(objects["channel"]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, channel: Any) -> None:
        digits: list[str] = []
        complete, said = asyncio.Event(), asyncio.Event()

        async def keyed(_: Any, event: dict[str, Any]) -> None:
            digits.append(event["digit"])
            if len(digits) == 1:
                await asking.stop()
            if len(digits) == 11:
                complete.set()

        await channel.answer()
        channel.on_event("ChannelDtmfReceived", keyed)
        asking = await channel.play(media="sound:innringing/ask_identity")
        await complete.wait()
        phone = channel.json["caller"]["number"]
        self._database.execute("insert into callbacks values (?, ?)", (phone, "".join(digits)))
        self._database.commit()
        confirming = await channel.play(media="sound:innringing/received")
        confirming.on_event("PlaybackFinished", lambda *_: said.set())
        await said.wait()
        await channel.hangup()


async def main() -> None:
    database = sqlite3.connect(os.environ["BARE_DATABASE"])
    database.execute("create table if not exists callbacks (phone text, identity text)")
    client = await aioari.connect(os.environ["BARE_ARI"], "innringing", os.environ["BARE_PASSWORD"])
    client.on_channel_event("StasisStart", Calls(client, database).started)
    await client.run(apps="bare")


if __name__ == "__main__":
    asyncio.run(main())
