"""Every request leaves its row in the audit before its answer leaves the house: this is the one place that writes it.

All but one: of the requests a limit refuses (api/web/middleware/limits.py), the first in a minute stands for the
others.

It stands around all routes, so a new one can't forget it, and goes by what leaves: the callbacks and the identity
number in an answer's JSON are what was seen, whatever the route thought to show. What can't be written down isn't
shown: 503.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.web.middleware.trace import KEY, Trace
from api.web.problems import MEDIA_TYPE, RETRY_AFTER_SECONDS, URN, problem_response
from desk.audit.audit import Audit, AuditEntry, AuditOutcome
from desk.database.errors import StorageUnavailable

EXEMPT: Final[Mapping[str, str]] = {
    "/healthz": "says only that the process lives; asked every few seconds, by machines",
    "/readyz": "says whether what is depended on answers; asked every few seconds, by machines",
    "/metrics": "counts, nobody's data; asked every few seconds, by machines",
    "/api/openapi.json": "what the api is; the same for everybody",
    "/api/docs": "a page about the api; the same for everybody",
    "/api/docs/start.js": "of that page",
    "/api/docs/swagger-ui-bundle.js": "of that page",
    "/api/docs/swagger-ui.css": "of that page",
}
"""Routes that leave no row, and why. An address or method that doesn't exist leaves none either: nothing is there."""

LISTS: Final = frozenset({"list_callbacks", "list_calls", "department_promises", "department_warnings"})
"""Routes that show many callbacks and are asked again and again. Of any other each look is written down whole."""

UUID: Final = rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
SHOWN: Final = re.compile(rb'"(?:id|callback|callback_id)": ?"(' + UUID + rb')"')
"""How answers name a callback. Inside a text the quotes would be escaped: what people write is not taken for it."""
NUMBER: Final = re.compile(rb'"number": ?"([0-9]{11})"')
"""How an answer shows a whole identity number."""
PROBLEM: Final = re.compile(rb'"type": ?"' + URN.encode() + rb'([a-z0-9-]{1,64})"')
SLUG: Final = re.compile(r"[a-z0-9-]{1,64}")
MOST_ASKED: Final = 64 * 1024
"""So much of a request's body is looked at for the department it names; what names one is far smaller."""
MOST_UNTOLD: Final = 200
TELL_SECONDS: Final = 60.0
"""A live stream's callbacks are written down together: so many at most, and after so long at the latest."""

log = structlog.get_logger("api.audit")


class Audited:
    """Around every route: holds the answer back until its row is committed."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope[KEY] = Trace()
        question = _Question(receive)
        answer = _Held(scope, question, send)
        try:
            await self.app(scope, question.receive, answer.take)
        except Exception:
            await answer.crashed()
            raise
        finally:
            await answer.end()


@dataclass
class _Stream:
    """What a live stream has told of, and when that was last written down."""

    untold: set[str]
    written_at: float


class _Question:
    """A request's body on its way in."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._body = b""

    async def receive(self) -> Message:
        """The next piece, as it came."""
        message = await self._receive()
        if len(self._body) < MOST_ASKED:
            self._body += message.get("body", b"")
        return message

    @property
    def department(self) -> str | None:
        """The one it names, whether the route came to look at it or refused before."""
        try:
            asked = json.loads(self._body) if self._body else None
        except (ValueError, RecursionError):
            return None
        named = asked.get("department") if isinstance(asked, dict) else None
        return _slug(named) if isinstance(named, str) else None


class _Held:
    """An answer on its way out, and the question it answers."""

    def __init__(self, scope: Scope, question: _Question, send: Send) -> None:
        self._scope = scope
        self._question = question
        self._send = send
        self._start: Message | None = None
        self._body: list[bytes] = []
        self._passing = False
        self._refused = False
        self._stream: _Stream | None = None

    async def take(self, message: Message) -> None:
        """One message of the application's answer."""
        if self._refused:
            return
        if self._stream is not None:
            await self._tell(message)
        elif self._passing:
            await self._send(message)
        elif message["type"] == "http.response.start":
            await self._begin(message)
        else:
            self._body.append(message.get("body", b""))
            if not message.get("more_body", False):
                await self._finish(message)

    async def crashed(self) -> None:
        """The application gave up; whoever catches that sends the answer. One row says so, if none does yet."""
        if self._passing or self._refused or self._stream is not None or not _watched(self._scope, 500):
            return
        try:
            await self._audit.record(self._entry(500, b"", MEDIA_TYPE))
        except StorageUnavailable:
            log.error("a request that failed could not be written down")

    async def end(self) -> None:
        """Nothing more comes: what a live stream told of is written down."""
        if self._stream is not None:
            await self._write_down(self._stream, last=True)

    async def _begin(self, message: Message) -> None:
        if not _watched(self._scope, message["status"]) or self._scope[KEY].untold:
            self._passing = True
            await self._send(message)
        elif _media_type(message).startswith("text/event-stream"):
            if await self._recorded(self._entry(message["status"], b"", "")):
                self._stream = _Stream(set(), time.monotonic())
                await self._send(message)
        else:
            self._start = message

    async def _finish(self, last: Message) -> None:
        assert self._start is not None
        body, status = b"".join(self._body), self._start["status"]
        if await self._recorded(self._entry(status, body, _media_type(self._start))):
            self._passing = True
            await self._send(self._start)
            await self._send({**last, "body": body})

    async def _recorded(self, entry: AuditEntry) -> bool:
        """Whether the row is committed. If it can't be, the answer is 503, and nothing of the one there was leaves."""
        try:
            await self._audit.record(entry)
            return True
        except StorageUnavailable as error:
            self._refused = True
            refusal = problem_response(
                Request(self._scope),
                status=503,
                id=error.id,
                title=(type(error).__doc__ or "").strip(),
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            )
            await refusal(self._scope, self._question.receive, self._send)
            return False

    async def _tell(self, message: Message) -> None:
        """A piece of a live stream. It tells that something happened to a callback, and nothing of the patient."""
        stream = self._stream
        assert stream is not None
        stream.untold |= _ids(message.get("body", b""))
        if len(stream.untold) >= MOST_UNTOLD or time.monotonic() - stream.written_at >= TELL_SECONDS:
            await self._write_down(stream)
        await self._send(message)

    async def _write_down(self, stream: _Stream, *, last: bool = False) -> None:
        told, stream.written_at = stream.untold, time.monotonic()
        if not told:
            return
        try:
            await self._audit.record(self._told(told))
            stream.untold -= told
        except StorageUnavailable:  # while the database is away nothing new is told: tried again later
            if last:
                log.error("what a live stream told of could not be written down", callbacks=len(told))

    @property
    def _audit(self) -> Audit:
        audit = self._scope["app"].state.services.audit
        assert isinstance(audit, Audit)
        return audit

    def _entry(self, status: int, body: bytes, media_type: str) -> AuditEntry:
        trace: Trace = self._scope[KEY]
        tells = "json" in media_type and status < 400
        shown = NUMBER.search(body) if tells else None
        problem = PROBLEM.search(body) if media_type.startswith(MEDIA_TYPE) else None
        asked = self._asked(trace)
        return AuditEntry(
            who=trace.who,
            role=trace.role,
            session=trace.session,
            action=_action(self._scope),
            department=trace.department or self._department(),
            callbacks=asked | (_ids(body) if tells else set()),
            patient=shown[1].decode() if shown else trace.patient,
            why=trace.why,
            outcome=_outcome(status),
            status=status,
            problem=problem[1].decode() if problem else None,
            source=_source(self._scope),
            request_id=self._scope.get("request_id"),
            emergency=trace.emergency,
            listed=_action(self._scope) in LISTS and not asked,
        )

    def _told(self, told: set[str]) -> AuditEntry:
        trace: Trace = self._scope[KEY]
        return AuditEntry(
            who=trace.who,
            role=trace.role,
            session=trace.session,
            action=f"{_action(self._scope)}_told",
            callbacks=frozenset(told),
            outcome=AuditOutcome.DONE,
            status=200,
            source=_source(self._scope),
            request_id=self._scope.get("request_id"),
            emergency=trace.emergency,
        )

    def _asked(self, trace: Trace) -> set[str]:
        """The callbacks asked about by name, there or not, shown or refused."""
        asked = self._scope.get("path_params", {}).get("id")
        return {*trace.callbacks, *([] if asked is None else [str(asked)])}

    def _department(self) -> str | None:
        """The one department asked for: in the path, the query or the body.

        A body about one callback names where that is to go; where it is, the callback's own row tells.
        """
        params = self._scope.get("path_params", {})
        if slug := params.get("slug"):
            return _slug(slug)
        asked = parse_qs(self._scope.get("query_string", b"").decode("latin-1")).get("department", [])
        if asked or "id" in params:
            return _slug(asked[0]) if len(asked) == 1 else None
        return self._question.department


def _watched(scope: Scope, status: int) -> bool:
    path = getattr(scope.get("route"), "path", None)
    return path is not None and path not in EXEMPT and status != 405


def _action(scope: Scope) -> str:
    """The name of the route: what words go by (desk/audit/actions.py)."""
    return str(scope["route"].name)


def _slug(text: str) -> str | None:
    return text if SLUG.fullmatch(text) else None


def _outcome(status: int) -> AuditOutcome:
    if status < 400:
        return AuditOutcome.DONE
    return AuditOutcome.REFUSED if status < 500 else AuditOutcome.FAILED


def _ids(body: bytes) -> set[str]:
    return {found.decode() for found in SHOWN.findall(body)}


def _media_type(start: Message) -> str:
    headers: Any = start.get("headers", ())
    return next((value.decode("latin-1") for name, value in headers if name.lower() == b"content-type"), "")


def _source(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "unknown"
