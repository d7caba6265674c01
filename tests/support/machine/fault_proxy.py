"""A TCP proxy that can be cut off, frozen or slow, and that can answer HTTP requests itself.

It runs in a thread of its own: faults between a service and what it needs. For ARI it knows websockets from requests.
"""

import asyncio
import contextlib
import random
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tests.support.ports import free_port

METHODS: Final = (b"GET ", b"POST ", b"PUT ", b"DELETE ")
WEBSOCKET: Final = b"/ari/events"
TICK: Final = 1e-6
EVERYTHING: Final = frozenset({False, True})
"""Both kinds of connections: those with requests (False) and websockets (True)."""


@dataclass(eq=False)
class _Connection:
    """A client's connection and ours to the server. `is_websocket` is known from the first request on.

    `due` is when the last bytes that wait for each end are passed on.
    """

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    is_websocket: bool = False
    due: dict[asyncio.StreamWriter, float] = field(default_factory=dict)

    def abort(self) -> None:
        self.client.transport.abort()
        self.server.transport.abort()


class FaultProxy:
    """Forwards to a port of this machine. `cut` ends and refuses connections; `freeze` lets bytes wait for ever.

    `delay` is the number of seconds that bytes take in each direction.
    """

    def __init__(self, target: int) -> None:
        self.port = free_port(socket.SOCK_STREAM)
        self.delay = 0.0
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._kept: socket.socket | None = None
        self._connections: set[_Connection] = set()
        self._flowing = {is_websocket: asyncio.Event() for is_websocket in EVERYTHING}
        self._status: int | None = None
        self._share = 1.0
        self._dice = random.Random(0)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._run(self._open())

    def stop(self) -> None:
        self._run(self._cut())
        self._run(self._drained())
        if self._kept is not None:
            self._kept.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut(self) -> None:
        """End every connection, and refuse new ones."""
        self._run(self._cut())

    def cut_websockets(self) -> None:
        """End every websocket. New ones are accepted."""
        self._run(self._abort(websockets_only=True))

    def freeze(self, *, websockets_only: bool = False) -> None:
        """Accept connections, but pass nothing on: as a server that hangs, or a cable that is pulled."""
        for is_websocket in {True} if websockets_only else EVERYTHING:
            self._loop.call_soon_threadsafe(self._flowing[is_websocket].clear)

    def answer(self, status: int, *, share: float = 1.0, seed: int = 0) -> None:
        """Answer this share of the HTTP requests with `status` instead of passing them on."""
        self._dice, self._share, self._status = random.Random(seed), share, status

    def restore(self) -> None:
        """Forward again, at full speed."""
        self.delay, self._status = 0.0, None
        self._run(self._open())

    def _run(self, work: "asyncio._CoroutineLike[None]") -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _open(self) -> None:
        for flowing in self._flowing.values():
            flowing.set()
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        if self._server is None:
            self._server = await asyncio.start_server(self._forward, "127.0.0.1", self.port)

    async def _cut(self) -> None:
        if self._server is not None:
            for listening in self._server.sockets:
                with contextlib.suppress(OSError):
                    listening.shutdown(socket.SHUT_RDWR)  # a process that was forked meanwhile has it open too
            self._server.close()
            self._server = None
            self._keep_port()
        for flowing in self._flowing.values():
            flowing.set()
        await self._abort()

    def _keep_port(self) -> None:
        """Bind the port without listening on it: connections are refused, and no other program gets it."""
        self._kept = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # a connection may still end: then the port is only closed
            self._kept.bind(("127.0.0.1", self.port))

    async def _abort(self, *, websockets_only: bool = False) -> None:
        for connection in list(self._connections):
            if connection.is_websocket or not websockets_only:
                connection.abort()

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
        connection = _Connection(writer, there)
        self._connections.add(connection)
        try:
            await asyncio.gather(self._upwards(reader, connection), self._pipe(there_reader, writer, connection))
        finally:
            self._connections.discard(connection)
            connection.abort()

    async def _upwards(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if data.startswith(METHODS):
                    connection.is_websocket |= WEBSOCKET in data.partition(b"\r\n")[0]
                    if self._status and self._dice.random() < self._share:
                        connection.client.write(_answer(self._status))
                        await connection.client.drain()
                        break
                await self._pass(data, connection.server, connection)
        connection.client.close()
        connection.server.close()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: _Connection) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._pass(data, writer, connection)
        writer.close()

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter, connection: _Connection) -> None:
        now = self._loop.time()
        due = connection.due.get(writer, 0.0)
        if self.delay or due > now:  # late bytes stay in order when the delay ends
            connection.due[writer] = max(now + self.delay, due + TICK)
            self._loop.call_at(connection.due[writer], _write, writer, data)
            return
        await self._flowing[connection.is_websocket].wait()
        writer.write(data)
        await writer.drain()


def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    if not writer.transport.is_closing():
        writer.write(data)


def _answer(status: int) -> bytes:
    head = f"HTTP/1.1 {status} Refused\r\nContent-Length: 0\r\nConnection: close\r\n"
    challenge = 'WWW-Authenticate: Basic realm="asterisk"\r\n' if status == 401 else ""
    return f"{head}{challenge}\r\n".encode()


@contextlib.contextmanager
def faulty(target: int) -> Iterator[FaultProxy]:
    """A running proxy in front of this port."""
    proxy = FaultProxy(target)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
