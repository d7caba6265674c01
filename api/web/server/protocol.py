"""Limits of the server itself: the number of connections, the size of a request head, and how long one may take.

uvicorn limits none of these with httptools. Where there is no room for another connection, the oldest of a stranger is
closed: one that has not sent credentials, and is not being answered. Bodies are limited by
api/web/middleware/requests.py, responses by the socket's own timeout.
"""

import asyncio
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, ClassVar

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.web.security_headers import DEFAULT_POLICY, HEADERS

MAX_HEAD_BYTES = 32 * 1024
MAX_HEADERS = 100
REQUEST_SECONDS = 20.0
"""How long the head and the body of a request may take, each."""
MAX_WAITING = 8
"""Requests a client may pipeline on one connection before the first gets its response."""

CREDENTIALS = frozenset({b"authorization", b"cookie"})
"""Headers of clients who have logged in. Whether they are valid is not known here."""

log = structlog.get_logger("api.connections")


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Too many, too large or too slow ends it, with a bare response where one can still be sent.

    Server-sent events are not affected: their request is complete, so its time limit is over.
    """

    max_connections = 2000
    strangers: ClassVar[dict["BoundedProtocol", None]] = {}
    """Connections without credentials so far, the oldest first."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limit: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._unfinished = 0  # bytes the parser holds since it last reported a complete head or a piece of body
        self._refused = False
        self._answers_first = False  # requests before the refused one get their responses, then it gets its own

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.max_connections and not self._make_room():
            self._refuse(503, "Too many connections.")
            return
        self.strangers[self] = None
        self._within(REQUEST_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._no_limit()
        self.strangers.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unfinished += len(data)
        super().data_received(data)
        if self._unfinished > MAX_HEAD_BYTES:
            self._refuse(431, "The head of the request is too large.")

    def on_message_begin(self) -> None:
        if self._refused:
            return
        super().on_message_begin()
        self._head_bytes = 0
        self._within(REQUEST_SECONDS)

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        if name.lower() in CREDENTIALS:
            self.strangers.pop(self, None)
        if len(self.headers) < MAX_HEADERS:
            super().on_header(name, value)
        else:
            self._refuse(431, "Too many headers.")

    def on_headers_complete(self) -> None:
        self._unfinished = 0
        if self._refused:
            return
        if len(self.pipeline) >= MAX_WAITING:
            self._refused = self._answers_first = True
            self._no_limit()
            log.info("connection refused", status=HTTPStatus.TOO_MANY_REQUESTS)
            return
        self._within(REQUEST_SECONDS)  # for the body
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unfinished = 0
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._unfinished = 0
        self._no_limit()
        if not self._refused:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        waits = self.pipeline or (self.cycle is not None and not self.cycle.response_complete)
        if self._answers_first and not waits and not self.transport.is_closing():
            self.transport.write(_bare_response(429, "Too many requests on one connection."))
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    def _make_room(self) -> bool:
        """Close the oldest connection of a stranger. False if there is none."""
        victim = next(self._idle_strangers(), None)
        if victim is not None:
            victim.drop()
        return victim is not None

    def _idle_strangers(self) -> Iterator["BoundedProtocol"]:
        return (each for each in self.strangers if not each.is_answered)

    @property
    def is_answered(self) -> bool:
        """Whether a whole request of the client is being answered."""
        return self._limit is None and self.cycle is not None and not self.cycle.response_complete

    def drop(self) -> None:
        """Close the connection to make room for another."""
        self.strangers.pop(self, None)
        self._no_limit()
        self._refused = True
        log.info("connection dropped to make room")
        self.transport.abort()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431, "The head of the request is too large.")

    def _within(self, seconds: float) -> None:
        self._no_limit()
        self._limit = self.loop.call_later(seconds, self._too_slow)

    def _no_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _too_slow(self) -> None:
        self._refuse(408, "The request took too long to arrive.")

    def _refuse(self, status: int, reason: str) -> None:
        """End the connection, and say why unless a response is being sent."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self._no_limit()
        log.info("connection refused", status=status)
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_bare_response(status, reason))
        self.transport.close()


def bounded(max_connections: int) -> type[BoundedProtocol]:
    """Return the protocol of a server that holds at most `max_connections` at once."""
    return type("BoundedProtocol", (BoundedProtocol,), {"max_connections": max_connections, "strangers": {}})


def _bare_response(status: int, reason: str) -> bytes:
    """Build a response that no application made, with the security headers of all others."""
    body = reason.encode("ascii")
    headers = [
        *HEADERS,
        (b"content-security-policy", DEFAULT_POLICY.encode("ascii")),
        (b"cache-control", b"no-store"),
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode() + lines + b"\r\n" + body
