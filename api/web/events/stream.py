"""A reader's changes as server-sent events (WHATWG HTML, section 9.2), starting after the last one it received.

The stream first sends what the reader missed, from the database, and then what the tail offers. Every block has an
`id`, heartbeats too, so a reader that reconnects resumes at the right place even if its own departments were quiet.

FastAPI encodes the events. It can't run the stream: a generator that waits for a client which takes nothing in is never
resumed, so the reader could not be cut off (`test_reader_that_does_not_read_is_cut_off_and_can_resume`).
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from functools import lru_cache

import structlog
from fastapi import Response
from fastapi.sse import format_sse_event
from starlette.types import Receive, Scope, Send

from api.web.events.live import Ending, EventReader, Live
from desk.history.model import Change

HEARTBEAT_SECONDS = 15.0
SEND_SECONDS = 30.0
"""How long one block may wait for a client that takes nothing in."""
LAST_SECONDS = 1.0
RETRY_MILLISECONDS = 2000
MOST_MISSED = 10_000
"""The largest gap, in ids, that a stream fills. Beyond it, reading the lists again is quicker."""

log = structlog.get_logger("api.live")


class EventStream(Response):
    """The response to GET /events. `live` must be open.

    `after` is the last id the client received; None starts with the next change. With `seconds` the stream ends after
    that time, and with 0 as soon as everything known has been sent.
    """

    media_type = "text/event-stream"
    charset = "utf-8"

    def __init__(
        self,
        live: Live,
        reader: EventReader,
        *,
        after: int | None,
        seconds: float | None = None,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        beside: Callable[[Sequence[Change]], Awaitable[bytes]] | None = None,
    ) -> None:
        """`beside`: what is sent with changes, right after them, as whole events."""
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._live = live
        self._reader = reader
        self._after = after
        self._position = live.position
        self._seconds = seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._beside = beside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write until the client leaves, the reader is ended or the time is up; for HEAD nothing but the headers."""
        if scope.get("head_only"):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        with self._live.reading(self._reader):
            await self._respond(receive, send)
        if self._reader.ending:
            log.info("live reader ended", why=self._reader.ending.value)

    async def _respond(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        writing = asyncio.create_task(self._write(send))
        others = [asyncio.create_task(_disconnected(receive)), asyncio.create_task(self._reader.ended.wait())]
        try:
            await asyncio.wait([writing, *others], timeout=self._seconds or None, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (writing, *others):
                task.cancel()
            await asyncio.gather(writing, *others, return_exceptions=True)
        if not writing.cancelled() and isinstance(error := writing.exception(), Exception):
            raise error
        with suppress(TimeoutError):  # a client that is stuck is left to the server to close
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
        yield format_sse_event(retry=RETRY_MILLISECONDS)
        if not 0 <= self._position - after <= MOST_MISSED:
            after = self._position
            yield reset(after)
        else:
            yield mark(after)
        while after < (upto := self._live.position):
            missed = await self._live.changes.between(self._reader.actor, after, upto)
            yield b"".join(map(event, missed))
            after = missed[-1].id if missed else upto
        self._reader.follows = True  # nothing was awaited since `position` was read: no gap and no duplicate
        if self._seconds == 0:
            yield mark(after)
            return
        while True:
            changes = await self._reader.next(self._heartbeat_seconds)
            for change in changes:
                if change.callback_id:
                    self._reader.actor.saw(change.callback_id, change.department)
            beside = await self._beside(changes) if changes and self._beside else b""
            # An empty buffer means that the reader has everything up to the position.
            yield b"".join(map(event, changes)) + beside if changes else heartbeat(self._live.position)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


@lru_cache(maxsize=256)
def event(change: Change) -> bytes:
    """Encode one change, once for all its readers. It holds nothing about the patient."""
    data = {
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
    return format_sse_event(id=str(change.id), data_str=json.dumps(data, ensure_ascii=False))


def mark(position: int) -> bytes:
    """Encode how far the client has received; it updates Last-Event-ID and dispatches no event."""
    return format_sse_event(id=str(position))


def heartbeat(position: int) -> bytes:
    """Encode a mark with a comment, which keeps a quiet connection open."""
    return format_sse_event(id=str(position), comment="still here")


def reset(position: int) -> bytes:
    """Encode that the missed changes are not available: the client must read the lists again."""
    return format_sse_event(id=str(position), event="reset", data_str="{}")
