"""The same call with plain aioari, in about forty lines and without a database, for comparison only."""

import asyncio
import os
import signal
from typing import Any

import aioari


class Calls:
    """Asks, takes eleven digits, confirms, hangs up."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._tasks: set[asyncio.Task[None]] = set()

    def store(self, phone: str, digits: str) -> None:
        """Store nothing. tests/chaos/bare_script.py does."""

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
        self.store(channel.json["caller"]["number"], "".join(digits))
        confirming = await channel.play(media="sound:innringing/received")
        confirming.on_event("PlaybackFinished", lambda *_: said.set())
        await said.wait()
        await channel.hangup()


async def main() -> None:
    address = f"http://127.0.0.1:{os.environ['INNRINGING_ARI_PORT']}/"
    client = await aioari.connect(address, "innringing", os.environ["INNRINGING_ARI_PASSWORD"])
    client.on_channel_event("StasisStart", Calls(client).started)
    running = asyncio.create_task(client.run(apps="peer"))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        await client.close()


if __name__ == "__main__":
    asyncio.run(main())
