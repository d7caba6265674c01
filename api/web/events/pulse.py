"""A stream that says that something changed in a reader's departments, and nothing about what.

For readers who may see figures and no callback. No event has an id: the ids of the history count the whole hospital's
changes, and a reader who was away reads its figures again.
"""

from collections.abc import AsyncGenerator
from typing import Final

from fastapi.sse import format_sse_event

from api.web.events.stream import RETRY_MILLISECONDS, EventStream

PULSE: Final = format_sse_event(event="changed", data_str="{}")
STILL: Final = format_sse_event(event="still", data_str="{}")
"""Sent while nothing changes, so that the reader knows that the connection lives and lets its figures age."""


class PulseStream(EventStream):
    """The response to a stream without callbacks."""

    async def _blocks(self) -> AsyncGenerator[bytes, None]:
        self._reader.follows = True
        yield format_sse_event(retry=RETRY_MILLISECONDS)
        yield STILL
        while self._seconds != 0:
            yield PULSE if await self._reader.next(self._heartbeat_seconds) else STILL
