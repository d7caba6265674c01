"""A cheap client: one persistent connection, one request at a time, answers counted and timed."""

import asyncio
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Asker:
    """Sends requests to one server over one HTTP/1.1 connection. `waits` are seconds, one for each answer."""

    url: str
    token: str
    waits: list[float] = field(default_factory=list)

    async def __aenter__(self) -> "Asker":
        address = urlsplit(self.url)
        self._host = address.netloc
        self._incoming, self._outgoing = await asyncio.open_connection(address.hostname, address.port, limit=2**20)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._outgoing.close()

    async def ask(self, path: str, body: bytes | None = None) -> bytes:
        """The body of the answer, which must be 200."""
        begun = time.perf_counter()
        head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: {self._host}\r\n"
        head += f"Authorization: Bearer {self.token}\r\n"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self._outgoing.write(head.encode() + b"\r\n" + (body or b""))
        told = await self._incoming.readuntil(b"\r\n\r\n")
        assert told.startswith(b"HTTP/1.1 200 "), told
        place = told.index(b"content-length: ") + len(b"content-length: ")
        answer = await self._incoming.readexactly(int(told[place : told.index(b"\r\n", place)]))
        self.waits.append(time.perf_counter() - begun)
        return answer
