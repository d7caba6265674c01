"""The audit rows of one request, stream or websocket, built from its trace."""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from urllib.parse import parse_qs

from starlette.types import Message, Receive, Scope

from api.web.audit_rules import AuditRule, rule_of
from api.web.middleware.trace import KEY, Trace
from desk.access.trail import Trail
from desk.audit.actions import AuditAction
from desk.audit.audit import Audit, AuditEntry, AuditOutcome

SLUG: Final = re.compile(r"[a-z0-9-]{1,64}")
MOST_READ: Final = 64 * 1024
"""How much of a request's body is searched for the department it names."""


class RequestBody:
    """A request's body, kept while the application reads it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._body = b""

    async def receive(self) -> Message:
        """Return the next message, unchanged."""
        message = await self._receive()
        if len(self._body) < MOST_READ:
            self._body += message.get("body", b"")
        return message

    @property
    def department(self) -> str | None:
        """The department that the body names, whether the route read it or refused before."""
        try:
            fields = json.loads(self._body) if self._body else None
        except (ValueError, RecursionError):
            return None
        named = fields.get("department") if isinstance(fields, dict) else None
        return _slug(named) if isinstance(named, str) else None


@dataclass(frozen=True)
class AuditRows:
    """Writes the rows of one request."""

    scope: Scope
    body: RequestBody

    def rule(self, status: int) -> AuditRule | None:
        """The rule of the endpoint that answers; None without one that gets a row. Raises MissingAuditRule.

        An address or method that does not exist gets no row, because nothing is shown there.
        """
        if "endpoint" not in self.scope or status == 405 or self._trace.skipped:
            return None
        rule = rule_of(self.scope["endpoint"])
        return rule if rule.action is not None else None

    async def write(self, rule: AuditRule, status: int) -> None:
        """Write the row of the request, with everything on its trail so far. Raises StorageUnavailable."""
        assert rule.action is not None
        callbacks, numbers = self.trail.take()
        entry = replace(
            self._entry(rule.action, callbacks | self._callback_in_address(), status),
            department=self._trace.department or self._department(rule.action),
            why=self._trace.why,
            problem=self._trace.problem,
            listed=rule.listed,
            moved=dict(self.trail.moved),
        )
        await self._audit.record_shown(entry, numbers)

    async def write_sent(self, rule: AuditRule, callbacks: Collection[str], numbers: Collection[str] = ()) -> None:
        """Write a row about what a stream or websocket sends. Raises StorageUnavailable."""
        action = rule.sends or rule.action
        assert action is not None
        await self._audit.record_shown(self._entry(action, callbacks, 200), numbers)

    @property
    def fold(self) -> timedelta:
        """How long a callback in a list is not named again."""
        return self._audit.fold

    def _entry(self, action: AuditAction, callbacks: Collection[str], status: int) -> AuditEntry:
        """What every row of the request says."""
        return AuditEntry(
            who=self._trace.who,
            role=self._trace.role,
            session=self._trace.session,
            action=action,
            callbacks=frozenset(callbacks),
            outcome=_outcome(status),
            status=status,
            source=_source(self.scope),
            request_id=self.scope.get("request_id"),
            emergency=bool(self.trail.borrowed),
        )

    @property
    def trail(self) -> Trail:
        """What the request has shown."""
        return self._trace.trail

    @property
    def _trace(self) -> Trace:
        trace = self.scope[KEY]
        assert isinstance(trace, Trace)
        return trace

    @property
    def _audit(self) -> Audit:
        audit = self.scope["app"].state.services.audit
        assert isinstance(audit, Audit)
        return audit

    def _callback_in_address(self) -> set[str]:
        """The callback that the address names, whether it exists or not, shown or refused."""
        named = self.scope.get("path_params", {}).get("id")
        return set() if named is None else {str(named)}

    def _department(self, action: AuditAction) -> str | None:
        """The one department that the request names: in the path, the query or the body.

        The row of a callback says where that callback is. Only a transfer names another department, in its body.
        """
        params = self.scope.get("path_params", {})
        if slug := params.get("slug"):
            return _slug(slug)
        named = parse_qs(self.scope.get("query_string", b"").decode("latin-1")).get("department", [])
        if named or ("id" in params and action is not AuditAction.TRANSFER):
            return _slug(named[0]) if len(named) == 1 else None
        return self.body.department


def _slug(text: str) -> str | None:
    return text if SLUG.fullmatch(text) else None


def _outcome(status: int) -> AuditOutcome:
    if status < 400:
        return AuditOutcome.DONE
    return AuditOutcome.REFUSED if status < 500 else AuditOutcome.FAILED


def _source(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "unknown"
