"""A witness at the door: reads everything that leaves the application and compares it with what the audit was given.

The audit itself reads no answers. So a route that shows a patient without a trail is found here: in any content type,
and in streams and websockets.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy import select
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from desk.audit.actions import AuditAction
from desk.audit.audit import Audit, AuditEntry
from desk.database.engine import Database
from desk.numbers.identity_number import holds_identity
from desk.schema.tables import inquiries

UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ELEVEN_DIGITS: Final = re.compile(r"(?<![0-9A-Za-z-])[0-9]{11}(?![0-9A-Za-z-])")
AUDIT_ITSELF: Final = frozenset({AuditAction.LIST_AUDIT})
"""Auditors read which callbacks others were shown. A row for each of these ids would fill the audit with itself."""


class UnrecordedPatient(AssertionError):
    """A patient was shown and is not on the trail."""


@dataclass(frozen=True)
class _Shown:
    where: str
    ids: frozenset[str]
    numbers: frozenset[str]
    entries: Sequence[AuditEntry]


@dataclass
class Witness:
    """Stands around an application. `check` raises for what was shown without a trail since the last check."""

    app: ASGIApp
    database: Database
    heard: list[AuditEntry]
    _shown: list[_Shown] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left: list[bytes] = []
        request_id: list[str] = []

        async def watched(message: Message) -> None:
            for name, value in message.get("headers", ()):
                left.append(b"%s: %s" % (name, value))
                if name == b"x-request-id":
                    request_id.append(value.decode())
            left.append(message.get("body") or message.get("bytes") or (message.get("text") or "").encode())
            await send(message)

        before = len(self.heard)
        try:
            await self.app(scope, receive, watched)
        finally:
            mine = [each for each in self.heard[before:] if each.request_id in (None, *request_id)]
            text = b"\n".join(left).decode("utf-8", "replace")
            where = f"{scope.get('method', 'WEBSOCKET')} {getattr(scope.get('route'), 'path', 'unmatched')}"
            ids, numbers = (
                frozenset(UUID.findall(text)) - {*request_id},
                frozenset(filter(holds_identity, ELEVEN_DIGITS.findall(text))),
            )
            self._shown.append(_Shown(where, ids, numbers, mine))

    def around(self, app: ASGIApp) -> "Witness":
        """The same witness at another application's door."""
        return replace(self, app=app)

    def forget(self) -> None:
        """Leave out what was shown so far, in a test that plants a leak."""
        self._shown.clear()

    async def check(self) -> None:
        """Raises UnrecordedPatient."""
        shown = self._shown.copy()
        self._shown.clear()
        real = await self._callbacks({id for each in shown for id in each.ids})
        faults = []
        for each in shown:
            if any(entry.action in AUDIT_ITSELF for entry in each.entries):
                continue
            named = {id for entry in each.entries for id in entry.callbacks}
            revealed = {entry.patient for entry in each.entries}
            faults += [f"{each.where} shows callback {id}" for id in sorted((each.ids & real) - named)]
            faults += [f"{each.where} shows an identity number" for _ in each.numbers - revealed]
        if faults:
            raise UnrecordedPatient("; ".join(faults))

    async def _callbacks(self, ids: set[str]) -> set[str]:
        async with self.database.read() as connection:
            found = await connection.execute(select(inquiries.c.id).where(inquiries.c.id.in_(sorted(ids))))
            return set(found.scalars())


class HeardAudit(Audit):
    """Adds each entry that it has written to `heard`."""

    def __init__(self, heard: list[AuditEntry], **more: Any) -> None:
        super().__init__(**more)
        self._heard = heard

    async def record(self, entry: AuditEntry) -> None:
        await super().record(entry)
        self._heard.append(entry)


async def websocket(app: ASGIApp, path: str, *, headers: Mapping[str, str] | None = None) -> list[Message]:
    """Open a websocket, take what the application sends until it is done, and return the messages."""
    received: list[Message] = []
    incoming: list[Message] = [{"type": "websocket.connect"}]
    scope: dict[str, Any] = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        "client": ("127.0.0.1", 1234),
        "server": ("api.test", 80),
        "subprotocols": [],
    }

    async def receive() -> Message:
        return incoming.pop(0) if incoming else {"type": "websocket.disconnect", "code": 1000}

    async def send(message: Message) -> None:
        received.append(message)

    await app(scope, receive, send)
    return received
