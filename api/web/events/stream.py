"""A reader's changes as server-sent events (WHATWG HTML, section 9.2), from where it left off.

First what it missed, out of the database; then, from the very change after, what the tail offers. Each block has an
`id`, heartbeats too: a client which comes back says how far it had got even when its departments were quiet.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from functools import lru_cache

import structlog
from fastapi import Response
from starlette.types import Receive, Scope, Send

from api.web.events.live import Ending, Live, Reader
from desk.history.model import Change

HEARTBEAT_SECONDS = 15.0
SEND_SECONDS = 30.0
"""How long one block may wait for a reader that takes nothing in."""
LAST_SECONDS = 1.0
RETRY_MILLISECONDS = 2000
MOST_MISSED = 10_000
"""How far back one may go on from, in ids. Further, it is quicker to ask for the lists anew."""

log = structlog.get_logger("api.live")


class EventStream(Response):
    """The answer to GET /events, of a `live` that is open. `after`: the last id the client got; None begins now.

    With `seconds` it ends after so long; with 0 as soon as all there is has been told.
    """

    media_type = "text/event-stream"
    charset = "utf-8"

    def __init__(
        self,
        live: Live,
        reader: Reader,
        *,
        after: int | None,
        seconds: float | None = None,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._live = live
        self._reader = reader
        self._after = after
        self._position = live.position
        self._seconds = seconds
        self._heartbeat_seconds = heartbeat_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write until the client is gone, the reader is ended, or the time is up: whichever comes first."""
        with self._live.reading(self._reader):
            await self._answer(receive, send)
        if self._reader.ending:
            log.info("live reader ended", why=self._reader.ending.value)

    async def _answer(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        writing = asyncio.create_task(self._write(send))
        others = [asyncio.create_task(_gone(receive)), asyncio.create_task(self._reader.ended.wait())]
        try:
            await asyncio.wait([writing, *others], timeout=self._seconds or None, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (writing, *others):
                task.cancel()
            await asyncio.gather(writing, *others, return_exceptions=True)
        if not writing.cancelled() and isinstance(error := writing.exception(), Exception):
            raise error
        with suppress(TimeoutError):  # one that is stuck is left to the server to close
            async with asyncio.timeout(LAST_SECONDS):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, send: Send) -> None:
        async with aclosing(self._blocks()) as blocks:
            async for block in blocks:
                try:
                    async with asyncio.timeout(SEND_SECONDS):
                        await send({"type": "http.response.body", "body": block, "more_body": True})
                except TimeoutError:
                    self._reader.end(Ending.TOO_SLOW)
                    return

    async def _blocks(self) -> AsyncGenerator[bytes, None]:
        after = self._position if self._after is None else self._after
        yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
        if not 0 <= self._position - after <= MOST_MISSED:
            after = self._position
            yield reset(after)
        else:
            yield mark(after)
        while after < (upto := self._live.position):
            missed = await self._live.changes.between(after, upto, scope=self._reader.scope)
            yield b"".join(map(event, missed))
            after = missed[-1].id if missed else upto
        self._reader.follows = True  # nothing was awaited since the look at the position: no gap, nothing twice
        if self._seconds == 0:
            yield mark(after)
            return
        while True:
            changes = await self._reader.next(self._heartbeat_seconds)
            # With nothing waiting for it, the reader has all there is up to the position.
            yield b"".join(map(event, changes)) if changes else heartbeat(self._live.position)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


@lru_cache(maxsize=256)
def event(change: Change) -> bytes:
    """One change, written once for all who read it.

    Nothing of the patient is in it: who may know more asks for the callback.
    """
    told = {
        "id": change.id,
        "event": change.event,
        "at": change.at.isoformat().replace("+00:00", "Z"),
        "callback": change.callback_id,
        "department": change.department,
        "actor": change.actor,
        "from_status": change.from_status,
        "to_status": change.to_status,
        "version": change.version,
    }
    return f"id: {change.id}\ndata: {json.dumps(told, ensure_ascii=False)}\n\n".encode()


def mark(position: int) -> bytes:
    """How far the client has got; clients take note and show nothing."""
    return f"id: {position}\n\n".encode()


def heartbeat(position: int) -> bytes:
    return b": still here\n" + mark(position)


def reset(position: int) -> bytes:
    """What was missed can't be told: ask for the lists anew."""
    return f"id: {position}\nevent: reset\ndata: {{}}\n\n".encode()
