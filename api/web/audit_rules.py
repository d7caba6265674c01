"""What the audit records about an endpoint. Each endpoint says it next to its route, and `create_app` checks that.

@router.get("/{id:uuid}", ...)
@audited(AuditAction.GET_CALLBACK)
async def get_callback(...): ...
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from desk.audit.actions import AuditAction

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_ATTRIBUTE: Final = "__audit_rule__"


class MissingAuditRule(Exception):
    """Endpoints have neither @audited nor @unaudited."""


@dataclass(frozen=True)
class AuditRule:
    """What the audit records about an endpoint.

    `action` None: no row, because of `reason`. `listed`: the endpoint shows many callbacks and is read again and again,
    so those named shortly before are only counted. `sends`: the action of the rows about what a stream or websocket
    sends after its opening. `sends_rows`: it sends more about callbacks than their ids, so each is written before it is
    sent, once while a list would only count it.
    """

    action: AuditAction | None
    listed: bool = False
    sends: AuditAction | None = None
    reason: str = ""
    sends_rows: bool = False


def audited(
    action: AuditAction, *, listed: bool = False, sends: AuditAction | None = None, sends_rows: bool = False
) -> Callable[[Endpoint], Endpoint]:
    """Give each request to the endpoint a row with this action."""
    return _with_rule(AuditRule(action, listed, sends, sends_rows=sends_rows))


def unaudited(reason: str) -> Callable[[Endpoint], Endpoint]:
    """Give requests to the endpoint no row, because it shows no one's data."""
    return _with_rule(AuditRule(None, reason=reason))


def rule_of(endpoint: object) -> AuditRule:
    """Return the endpoint's rule. Raises MissingAuditRule."""
    rule = getattr(endpoint, _ATTRIBUTE, None)
    if not isinstance(rule, AuditRule):
        raise MissingAuditRule(f"{_name(endpoint)} needs @audited or @unaudited")
    return rule


def require_audit_rules(app: FastAPI) -> None:
    """Raises MissingAuditRule, which names all endpoints without a rule."""
    missing = []
    for route in iter_route_contexts(app.routes):
        endpoint = route.endpoint or getattr(route.original_route, "app", None)  # an application that is mounted
        if not isinstance(getattr(endpoint, _ATTRIBUTE, None), AuditRule):
            missing.append(f"{route.path} ({_name(endpoint)})")
    if missing:
        raise MissingAuditRule(f"@audited or @unaudited is missing: {', '.join(missing)}")


def _with_rule(rule: AuditRule) -> Callable[[Endpoint], Endpoint]:
    def decorate(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _ATTRIBUTE, rule)
        return endpoint

    return decorate


def _name(endpoint: object) -> str:
    module = getattr(endpoint, "__module__", "")
    return f"{module}.{getattr(endpoint, '__qualname__', type(endpoint).__name__)}"
