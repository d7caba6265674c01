"""Asterisk's websocket: events in one direction, and commands in both where Asterisk takes them (from 22.4).

One thread of Asterisk serves the requests of a websocket in turn, so only commands that Asterisk answers at once go
this way. `setChannelVar` is not one of them: it waits for the channel, and all calls would wait with it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import aiohttp
import structlog

from ivr.asterisk.errors import AriTimeout
from ivr.asterisk.reply import Reply, require_success

log = structlog.get_logger(__name__)

RESPONSE: Final = "RESTResponse"
"""The type of Asterisk's answers to requests. An event filter without it drops them."""
BIGGEST_EVENT: Final = 256 << 10  # characters; a bigger event is skipped
CLOSED: Final = aiohttp.WSMessage(aiohttp.WSMsgType.CLOSED, None, None)
AT_ONCE: Final = re.compile(
    r"POST channels/[^/]+/(play/[^/]+|continue|record)"
    r"|DELETE (channels|playbacks)/[^/]+|POST playbacks/[^/]+/control"
    r"|POST recordings/live/[^/]+/stop"
)
"""The commands, as method and path, that Asterisk answers at once."""
PROBE: Final = "asterisk/ping"

Handle = Callable[[dict[str, Any]], Awaitable[None] | None]


class Websocket:
    """The open websocket. It parses each message once, and passes only well-formed events to `handle`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, handle: Handle, timeout: float) -> None:
        """`timeout`: seconds that a command may take."""
        self._socket = socket
        self._handle = handle
        self._timeout = timeout
        self._ids = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Reply]] = {}
        self._offered = False
        self._late = False

    async def probe(self) -> None:
        """Ask Asterisk for something. If it answers, commands take this way from then on."""
        with suppress(aiohttp.ClientError, OSError):  # it has closed, which `receive` reports
            await self._send("0", "GET", PROBE, {})

    def takes(self, method: str, path: str) -> bool:
        """Whether this command can be sent here now. After a late answer none can, until the next connection."""
        if not self._offered or self._late or self._socket.closed:
            return False
        return AT_ONCE.fullmatch(f"{method} {path}") is not None

    async def request(self, method: str, path: str, params: Mapping[str, Any]) -> Reply:
        """Send a command. Raises an AriError, and AriTimeout where it may have arrived all the same."""
        id_ = str(next(self._ids))
        answer = self._waiting[id_] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._timeout):
                await self._send(id_, method, path, params)
                return require_success(await answer)
        except TimeoutError:
            self._late = True
            log.warning("Asterisk is late on the websocket, so commands are sent over HTTP")
            raise AriTimeout("TimeoutError") from None
        except (aiohttp.ClientError, OSError) as error:
            raise AriTimeout(type(error).__name__) from None
        finally:
            self._waiting.pop(id_, None)

    async def receive(self) -> aiohttp.WSMessage:
        """Handle messages until the websocket closes, and return that. It is aioari that calls this."""
        while True:
            message = await self._socket.receive()
            match message.type:
                case aiohttp.WSMsgType.CLOSE | aiohttp.WSMsgType.CLOSING | aiohttp.WSMsgType.CLOSED:
                    return self._closed()
                case aiohttp.WSMsgType.ERROR:
                    log.warning("The websocket failed", error=type(message.data).__name__)
                    return self._closed()
                case aiohttp.WSMsgType.TEXT if (event := _parsed(message.data)) is not None:
                    await self._take(event)
                case _:
                    log.warning("Skipped a malformed event")

    async def close(self) -> None:
        await self._socket.close()

    async def _send(self, id_: str, method: str, path: str, params: Mapping[str, Any]) -> None:
        await self._socket.send_str(
            json.dumps(
                {
                    "type": "RESTRequest",
                    "transaction_id": id_,
                    "request_id": id_,
                    "method": method,
                    "uri": path,
                    "query_strings": [{"name": name, "value": str(value)} for name, value in params.items()],
                }
            )
        )

    async def _take(self, event: dict[str, Any]) -> None:
        if event["type"] == RESPONSE:
            self._answered(event)
            return
        try:
            if (work := self._handle(event)) is not None:
                await work
        except Exception as error:  # must not affect other calls
            log.error("Could not route an event", error=type(error).__name__)

    def _answered(self, message: dict[str, Any]) -> None:
        status = message.get("status_code")
        if not isinstance(status, int):
            return
        if not self._offered:
            self._offered = True
            log.info("Asterisk takes commands on the websocket")
        answer = self._waiting.get(str(message.get("request_id")))
        if answer is not None and not answer.done():
            answer.set_result(Reply(status, str(message.get("message_body") or "").encode()))

    def _closed(self) -> aiohttp.WSMessage:
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError())
        return CLOSED


def _parsed(text: str) -> dict[str, Any] | None:
    if len(text) > BIGGEST_EVENT:
        return None
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("type"), str) else None
