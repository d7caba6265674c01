"""Every request gets its row in the audit before its answer is sent. This is the only place that writes these rows.

The exception: of the requests that a limit refuses (api/web/middleware/limits.py), one a minute gets a row.

The middleware is around all routes, so a new one can't forget it. What was shown is on the request's trail
(desk/access/trail.py), where the code that shows it recorded it. So the kind of answer does not matter, and no answer
is read. An answer whose row can't be written is not sent: 503.
"""

import time
from collections.abc import Collection
from typing import Final

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.web.audit_rules import AuditRule
from api.web.middleware.audit_rows import AuditRows, RequestBody
from api.web.middleware.trace import KEY, Trace
from api.web.problems import RETRY_AFTER_SECONDS, problem_response
from desk.access.trail import Trail
from desk.database.errors import StorageUnavailable

MOST_UNWRITTEN: Final = 200
UNWRITTEN_SECONDS: Final = 60.0
"""How many callbacks that a stream or websocket names are written together, and how often at least."""
SWITCHING_PROTOCOLS: Final = 101
FORBIDDEN: Final = 403
TRY_AGAIN_LATER: Final = 1013
"""The code of a websocket that is closed because the audit can't be written."""

log = structlog.get_logger("api.audit")


class AuditMiddleware:
    """Around every route: holds the answer back until its row is committed."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        scope[KEY] = Trace()
        body = RequestBody(receive)
        rows = AuditRows(scope, body)
        answer = _HttpAnswer(rows, send) if scope["type"] == "http" else _Websocket(rows, send)
        try:
            await self.app(scope, body.receive, answer.send)
        except Exception:
            await answer.crashed()
            raise
        finally:
            await answer.end()


class _Sent:
    """What a stream or websocket sends after its opening.

    The callbacks it names are written together, soon after or at its end, because the same few change again and again.
    An identity number is written before it is sent, and so is a callback of which more than the id is sent.
    """

    def __init__(self, rows: AuditRows, rule: AuditRule, trail: Trail) -> None:
        self._rows = rows
        self._rule = rule
        self._trail = trail
        self._unwritten: set[str] = set()
        self._written_at = time.monotonic()
        self._named: dict[str, float] = {}

    async def before(self) -> None:
        """Record what the next message shows. Raises StorageUnavailable: then it must not be sent."""
        callbacks, numbers = self._trail.take()
        if numbers:
            await self._rows.write_sent(self._rule, callbacks, numbers)
            return
        if self._rule.sends_rows:
            await self._name(callbacks)
            return
        self._unwritten |= callbacks
        if len(self._unwritten) >= MOST_UNWRITTEN or time.monotonic() - self._written_at >= UNWRITTEN_SECONDS:
            await self.write()

    async def _name(self, callbacks: Collection[str]) -> None:
        """Write those that this stream has not named lately. Raises StorageUnavailable."""
        now = time.monotonic()
        since = now - self._rows.fold.total_seconds()
        if new := [id for id in callbacks if self._named.get(id, since) <= since]:
            await self._rows.write_sent(self._rule, new)
            self._named = {id: at for id, at in self._named.items() if at > since} | dict.fromkeys(new, now)

    async def write(self, *, last: bool = False) -> None:
        """Write what is unwritten. While the database is away it is kept for later; nothing new happens meanwhile."""
        if last:
            self._unwritten |= self._trail.take()[0]
        callbacks, self._written_at = set(self._unwritten), time.monotonic()
        if not callbacks:
            return
        try:
            await self._rows.write_sent(self._rule, callbacks)
            self._unwritten -= callbacks
        except StorageUnavailable:
            if last:
                log.error("The callbacks that a stream named could not be written", callbacks=len(callbacks))


class _Answer:
    """What leaves for one client. `done`: the row of the request is written, or there is none to write."""

    def __init__(self, rows: AuditRows, send: Send) -> None:
        self._rows = rows
        self._send = send
        self._done = False
        self._refused = False
        self._sent: _Sent | None = None

    async def send(self, message: Message) -> None:
        """Handle one message of the application."""
        raise NotImplementedError

    async def crashed(self) -> None:
        """Write a row for a crash, unless one is written. The middleware outside sends the answer."""
        if self._done:
            return
        self._done = True
        try:
            if rule := self._rows.rule(500):
                await self._rows.write(rule, 500)
        except StorageUnavailable:
            log.error("A request that failed could not be written")

    async def end(self) -> None:
        """Write what a stream has sent since its last row."""
        if self._sent is not None:
            await self._sent.write(last=True)

    def _begin_stream(self, rule: AuditRule) -> None:
        self._sent = _Sent(self._rows, rule, self._rows.trail)


class _HttpAnswer(_Answer):
    def __init__(self, rows: AuditRows, send: Send) -> None:
        super().__init__(rows, send)
        self._held: list[Message] = []

    async def send(self, message: Message) -> None:
        """Hold the answer until it is whole and its row is written. A stream is held until its opening is."""
        if self._refused:
            return
        if self._sent is not None:
            await self._sent.before()
            await self._send(message)
        elif self._done:
            await self._send(message)
        elif message["type"] == "http.response.start":
            await self._begin(message)
        else:
            self._held.append(message)
            if not message.get("more_body", False):
                await self._release(message)

    async def _begin(self, start: Message) -> None:
        rule = self._rows.rule(start["status"])
        if rule is None:
            self._done = True
            await self._send(start)
        elif not _is_stream(start):
            self._held.append(start)
        elif await self._write(rule, start["status"]):
            self._begin_stream(rule)
            await self._send(start)

    async def _release(self, last: Message) -> None:
        start = self._held[0]
        rule = self._rows.rule(start["status"])
        if rule is None or await self._write(rule, start["status"]):
            for message in self._held:
                await self._send(message)
        self._held.clear()

    async def _write(self, rule: AuditRule, status: int) -> bool:
        """Whether the row is committed. If it can't be, the answer is 503 and nothing of the application's leaves."""
        self._done = True
        try:
            await self._rows.write(rule, status)
            return True
        except StorageUnavailable as error:
            self._refused = True
            scope = self._rows.scope
            refusal = problem_response(
                Request(scope),
                status=503,
                id=error.id,
                title=(type(error).__doc__ or "").strip(),
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            )
            await refusal(scope, self._rows.body.receive, self._send)
            return False


class _Websocket(_Answer):
    """A websocket gets a row when it is accepted or refused, and rows for what it sends, as a stream does."""

    async def send(self, message: Message) -> None:
        """Write the row of the opening before the first message, and of an identity number before that message."""
        if self._refused:
            return
        try:
            if not self._done:
                await self._open(message)
            if self._sent is not None and message["type"] == "websocket.send":
                await self._sent.before()
        except StorageUnavailable:
            self._refused = True
            await self._send({"type": "websocket.close", "code": TRY_AGAIN_LATER})
            return
        await self._send(message)

    async def end(self) -> None:
        """Write what it sent since its last row. One that the application neither accepted nor closed is refused."""
        if not self._done:
            try:
                await self._open({"type": "websocket.close"})
            except StorageUnavailable:
                log.error("A websocket that was refused could not be written")
        await super().end()

    async def _open(self, message: Message) -> None:
        accepted = message["type"] == "websocket.accept"
        status = SWITCHING_PROTOCOLS if accepted else message.get("status", FORBIDDEN)
        rule = self._rows.rule(status)
        self._done = True
        if rule is None:
            return
        await self._rows.write(rule, status)
        if accepted:
            self._begin_stream(rule)


def _is_stream(start: Message) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/event-stream") for name, value in start["headers"]
    )
