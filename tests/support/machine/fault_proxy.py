"""A TCP proxy that can be cut off or frozen, in a thread of its own: faults between a service and what it needs."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

from tests.support.ports import free_port


class FaultProxy:
    """Forwards to a port of this machine. `cut` ends and refuses connections; `freeze` lets bytes wait for ever."""

    def __init__(self, target: int) -> None:
        self.port = free_port(socket.SOCK_STREAM)
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._run(self._open())

    def stop(self) -> None:
        self._run(self._cut())
        self._run(self._drained())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut(self) -> None:
        """End every connection, and refuse new ones."""
        self._run(self._cut())

    def freeze(self) -> None:
        """Accept connections, but pass nothing on: as a server that hangs, or a cable that is pulled."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def restore(self) -> None:
        """Forward again."""
        self._loop.call_soon_threadsafe(self._flowing.set)
        self._run(self._open())

    def _run(self, work: "asyncio._CoroutineLike[None]") -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _open(self) -> None:
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._forward, "127.0.0.1", self.port)

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self._flowing.set()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _drained(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        ends = {writer, there}
        self._writers |= ends
        try:
            await asyncio.gather(self._pipe(reader, there), self._pipe(there_reader, writer))
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@contextlib.contextmanager
def faulty(target: int) -> Iterator[FaultProxy]:
    """A running proxy in front of this port."""
    proxy = FaultProxy(target)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
