"""HTTP and websocket to Asterisk: the client that we hand to aioari in place of its own.

It sends the password in a header instead of in the URL, sets timeouts on requests and the socket, raises our own
errors, and sends commands over the websocket where Asterisk takes them.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final
from urllib.parse import quote, urlsplit

import aiohttp
import structlog

from desk.connections.tls import distrust
from ivr.asterisk.errors import AriError, AriMistrusted, AriTimeout, AriUnavailable
from ivr.asterisk.events import APP_NAME
from ivr.asterisk.reply import Reply, error_of, require_success
from ivr.asterisk.websocket import RESPONSE, Handle, Websocket

log = structlog.get_logger(__name__)

POOL: Final = 32  # connections; Asterisk's `sessionlimit` is 100
WAITING_POOL: Final = 24  # connections for requests that Asterisk answers only when the channel's thread is free
WAITING_TIMEOUT: Final = 30.0  # seconds, longer than most playbacks
RECORDING_POOL: Final = 16  # connections for requests behind a recording; 72 of Asterisk's 100 in all
RECORDING_TIMEOUT: Final = 90.0  # seconds, longer than a recording
KEEP_ALIVE: Final = 8  # seconds; Asterisk closes idle connections after 15
BIGGEST_MESSAGE: Final = 64 << 20  # bytes; a bigger message closes the websocket, and we reconnect
SENT: Final = (TimeoutError, aiohttp.ServerDisconnectedError, ConnectionResetError)
"""Failures after which the request may have arrived."""


class Http:
    """The HTTP client for aioari, with the interface of aioswagger11's HttpClient and our header, limits and errors."""

    def __init__(
        self, base_url: str, authorization: str, rest_timeout: float, heartbeat: float, tls: ssl.SSLContext | None
    ) -> None:
        self._base_url = base_url
        self._rest_timeout = rest_timeout
        self._heartbeat = heartbeat
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=POOL, keepalive_timeout=KEEP_ALIVE, ssl=tls or True),
            headers={"Authorization": authorization},
            timeout=aiohttp.ClientTimeout(total=rest_timeout),
        )
        self._waiting = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=WAITING_POOL, keepalive_timeout=KEEP_ALIVE, ssl=tls or True),
            headers={"Authorization": authorization},
            timeout=aiohttp.ClientTimeout(total=WAITING_TIMEOUT),
        )
        self._recording = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=RECORDING_POOL, keepalive_timeout=KEEP_ALIVE, ssl=tls or True),
            headers={"Authorization": authorization},
            timeout=aiohttp.ClientTimeout(total=RECORDING_TIMEOUT),
        )
        self.opened = asyncio.Event()
        self._websocket: Websocket | None = None
        self.handle: Handle = _ignore
        """Takes each event. Set it before the websocket opens."""

    async def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        path = urlsplit(url).path.partition("/ari/")[2]
        if data is None and self._websocket and self._websocket.takes(method, path):
            return await self._websocket.request(method, path, params or {})
        return await _reply(
            self._session.request(method, self._address(url), params=params, data=data, headers=headers)
        )

    async def set_variable(self, channel_id: str, variable: str, value: str, *, waits: bool) -> None:
        """Set a variable of a channel; see `Ari.set_variable`."""
        address = f"{self._base_url}ari/channels/{quote(channel_id, safe='')}/variable"
        session = self._recording if waits else self._waiting
        await _reply(session.post(address, params={"variable": variable, "value": value}))

    async def ws_connect(self, url: str, params: Mapping[str, str] | None = None) -> Websocket:
        try:
            socket = await self._session.ws_connect(
                self._address(url),
                params=params,
                heartbeat=self._heartbeat,
                max_msg_size=BIGGEST_MESSAGE,
                timeout=aiohttp.ClientWSTimeout(ws_close=1),
            )
        except aiohttp.WSServerHandshakeError as error:
            raise error_of(error.status) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _failed(error) from None
        self._websocket = Websocket(socket, self.handle, self._rest_timeout)
        self.opened.set()
        return self._websocket

    async def asterisk_id(self) -> str:
        """Ask Asterisk for its id, which survives its restarts."""
        match (await self.request("GET", f"{self._base_url}ari/asterisk/ping")).json():
            case {"asterisk_id": str(asterisk_id)}:
                return asterisk_id
            case _:
                raise AriUnavailable("no id")

    async def leave(self) -> None:
        """Close the websocket, which takes our application out of Asterisk. Requests are still sent."""
        if self._websocket:
            await self._websocket.close()

    async def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """POST a JSON body to ARI's `path`. Use it for data that must not appear in a URL."""
        return await self.request(
            "POST", f"{self._base_url}ari/{path}", data=json.dumps(body), headers={"Content-Type": "application/json"}
        )

    async def set_filter(self, types: Sequence[str]) -> None:
        """Subscribe to these event types only, and ask whether commands can be sent over the websocket.

        aioari's own call wraps the body in a way that Asterisk ignores.
        """
        allowed = {"allowed": [{"type": type_} for type_ in (*types, RESPONSE)]}
        address = f"{self._base_url}ari/applications/{APP_NAME}/eventFilter"
        await self.request("PUT", address, data=json.dumps(allowed), headers={"Content-Type": "application/json"})
        if self._websocket:
            await self._websocket.probe()

    async def close(self) -> None:
        await self._session.close()
        await self._waiting.close()
        await self._recording.close()

    def _address(self, url: str) -> str:
        """Replace the host in a URL from Asterisk's API description by the configured one, which is reachable."""
        return self._base_url + "ari/" + urlsplit(url).path.partition("/ari/")[2]


async def _reply(request: AbstractAsyncContextManager[aiohttp.ClientResponse]) -> Reply:
    try:
        async with request as response:
            body = await response.read()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _failed(error) from None
    return require_success(Reply(response.status, body))


def _failed(error: BaseException) -> AriError:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
        if isinstance(cause, ssl.SSLCertVerificationError):
            return AriMistrusted(distrust(cause, "ARI", "ARI_URL"))
    if isinstance(error, SENT) and not isinstance(error, aiohttp.ConnectionTimeoutError):
        return AriTimeout(type(error).__name__)
    return AriUnavailable(type(error).__name__)


def _ignore(_event: dict[str, Any]) -> None:
    pass
