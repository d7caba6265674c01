"""The middleware around each request: its id, its access log line, its body limit and its metrics."""

import re
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from uuid import uuid4

import structlog
from fastapi import HTTPException, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.web.metrics import Metrics
from api.web.problems import internal_error
from desk.logging.scrubber import Scrubber

MAX_BODY_BYTES = 64 * 1024
"""The largest body, except below the paths that have a limit of their own."""
REQUEST_ID = re.compile(r"(?=[0-9-]*[A-Za-z])[A-Za-z0-9-]{16,64}")
"""A client's request id is accepted when it looks like one (a UUID, a trace id); never digits alone."""
UNMATCHED = "unmatched"
NO_LARGER: Final[Mapping[str, int]] = {}

_SCRUB: Final = Scrubber()

log = structlog.get_logger("api.access")


class RequestMiddleware:
    """Gives each request an id, limits its body, logs and counts it, and turns a crash into a bare 500.

    The log line names the route (`/api/v1/callbacks/{id}`), never the address or the query, which may hold personal
    data. A crash is logged by its type and its places in the code, without its message.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, larger: Mapping[str, int] = NO_LARGER) -> None:
        """`larger`: the limit in bytes for paths that begin so. Their routes read no body before a person is let in."""
        self.app = app
        self.metrics = metrics
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        most = next((each for path, each in self._larger.items() if scope["path"].startswith(path)), MAX_BODY_BYTES)
        scope["request_id"] = _request_id(request.headers.get("x-request-id"))
        response = _ResponseWatch(send, scope["request_id"])
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=scope["request_id"]):
            try:
                await self.app(scope, _bounded(request, receive, most), response.send)
            except Exception as crash:
                log.error("request crashed", error=type(crash).__name__, places=_places(crash))
                if response.status:
                    # Too late for another response: the server closes the connection. The crash is already logged.
                    raise _ResponseCutOff from None
                await internal_error(request)(scope, receive, response.send)
            finally:
                self._account(scope, response.status, time.perf_counter() - started)
                structlog.contextvars.unbind_contextvars("agent")

    def _account(self, scope: Scope, status: int, seconds: float) -> None:
        route = route_of(scope)
        method = scope["method"] if route != UNMATCHED else "-"
        self.metrics.count_request(method=method, route=route, status=status, seconds=seconds)
        quiet = route in ("/healthz", "/readyz", "/metrics")
        write = log.debug if quiet else log.info
        write("request", method=method, route=route, status=status, ms=round(seconds * 1000, 1))


def route_of(scope: Scope) -> str:
    """Return the template of the matched route, or "unmatched"."""
    route = scope.get("route")
    return str(getattr(route, "path", UNMATCHED))


class _ResponseCutOff(Exception):
    """The response broke off half-way."""


class _ResponseWatch:
    """Adds the request id to the response and remembers its status; 0 until the response starts."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id.encode("ascii")
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message.setdefault("headers", [])
            message["headers"] = [*headers, (b"x-request-id", self._request_id)]
        await self._send(message)


def _request_id(proposed: str | None) -> str:
    """The client's id, unless it could be or hold a personal number: the id is logged and stored."""
    usable = proposed and REQUEST_ID.fullmatch(proposed) and _SCRUB(proposed) == proposed
    return proposed if proposed and usable else str(uuid4())


def _bounded(request: Request, receive: Receive, most: int) -> Receive:
    """Wrap `receive` so that it fails beyond `most` bytes, whether the length was declared or not.

    Not FastAPI's `max_body_size`, which replaces the problem document by plain text where the length was declared
    (`test_oversized_body_is_refused_with_or_without_its_length`).
    """
    declared = request.headers.get("content-length", "0")
    length = int(declared) if declared.isdecimal() else 0
    received = 0

    async def bounded() -> Message:
        nonlocal received
        if length > most:
            raise HTTPException(413, headers={"Connection": "close"})
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            raise HTTPException(413, headers={"Connection": "close"})
        return message

    return bounded


def _places(crash: Exception) -> list[str]:
    """File, line and function of each frame, innermost last; no values, no message."""
    frames = traceback.extract_tb(crash.__traceback__)[-8:]
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
