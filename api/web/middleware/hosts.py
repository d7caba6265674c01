"""The middleware that answers only to our own host names.

Starlette's TrustedHostMiddleware has no place for a problem document, and would refuse the address that was reached
(`test_only_our_names_are_answered_to`).
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.web.problems import OWN_PROBLEMS, problem_response

LOCALHOST = "localhost"


class AllowedHostsMiddleware:
    """Refuses requests whose Host is not one of ours, with 421.

    Otherwise a page elsewhere could speak to us as its own origin once its name resolves to our address (DNS
    rebinding). The address that was reached is always allowed, since no page can have it as its name; so is localhost.
    """

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str] = ()) -> None:
        self.app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._is_allowed(scope):
            await self.app(scope, receive, send)
            return
        status, title = OWN_PROBLEMS["unknown-host"]
        response = problem_response(Request(scope), status=status, id="unknown-host", title=title)
        await response(scope, receive, send)

    def _is_allowed(self, scope: Scope) -> bool:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1:
            return False
        name = host_name(hosts[0])
        reached = scope.get("server")
        if name == LOCALHOST or (reached and same_host(name, reached[0])):
            return True
        return name in self._hosts or "*." + name.partition(".")[2] in self._hosts


def host_name(host: str) -> str:
    """Return the name in a Host header: lower case, without port and final dot; IPv6 keeps its brackets."""
    host = host.strip().lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].removesuffix(".")


def same_host(name: str, address: str) -> bool:
    """Return whether a Host's name is this address, in any notation of IPv6."""
    plain = name.removeprefix("[").removesuffix("]")
    if plain == address:
        return True
    here, there = _address(address), _address(plain)
    return here is not None and here == there


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
