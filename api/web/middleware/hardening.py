"""What protects every answer: who really asks, which name was asked for, and the headers browsers obey.

`Doorway` is the outermost layer, so that its headers are on every answer the application gives, also on refusals and
crashes. What the server answers by itself, before any application, is in api/web/server/protocol.py.
"""

import secrets
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.web.middleware.forwarding import Forwarding, Hop
from api.web.problems import OWN_PROBLEMS, problem_response
from desk.settings.network import Network

YEAR = 365 * 24 * 3600

ANSWER_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""For what is no page: nothing may run, even where a browser is made to show it."""

HEADERS: Sequence[tuple[bytes, bytes]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"permissions-policy",
        b"accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), "
        b"microphone=(), midi=(), payment=(), usb=()",
    ),
)
"""On every answer, whatever it is."""

STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=%d; includeSubDomains" % (2 * YEAR))
LOCALHOST = "localhost"


def page_policy(nonce: str) -> str:
    """The policy of our own pages: scripts and styles from our origin's files or with the nonce, and nothing inline."""
    return (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; "
        "img-src 'self' data:; font-src 'self'; connect-src 'self'; media-src 'self' blob:; manifest-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def nonce_of(request: Request) -> str:
    """The nonce of this answer's policy, for a page that has a script or style of its own in it."""
    nonce: str = request.scope["nonce"]
    return nonce


class Doorway:
    """Says who asks (`scope["client"]`, `scope["scheme"]`, Host) and puts the headers on each answer.

    A header an answer has already is left as it is: a page may have a policy of its own, a file may be kept.
    """

    def __init__(self, app: ASGIApp, *, proxies: Sequence[Network] = (), forwarded_header: str = "x-forwarded") -> None:
        self.app = app
        self._forwarding = Forwarding(proxies, forwarded_header)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        _arrive(scope, self._forwarding.hop(scope))
        scope["nonce"] = secrets.token_urlsafe(16)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _guarded(scope, message.get("headers", []))
            await send(message)

        await self.app(scope, receive, guarded)


def _arrive(scope: Scope, hop: Hop | None) -> None:
    """Let the request be as the outermost of our proxies saw it."""
    if hop is None:
        return
    scope["client"] = (hop.address, 0)
    scope["scheme"] = hop.scheme or scope["scheme"]
    if hop.host:
        others = [(name, value) for name, value in scope["headers"] if name != b"host"]
        scope["headers"] = [(b"host", hop.host.encode("latin-1")), *others]


def _guarded(scope: Scope, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    given = [(name.lower(), value) for name, value in headers]
    present = {name: value for name, value in given}
    page = present.get(b"content-type", b"").startswith(b"text/html")
    policy = page_policy(scope["nonce"]) if page else ANSWER_POLICY
    wanted = [*HEADERS, (b"cache-control", b"no-store"), (b"content-security-policy", policy.encode("ascii"))]
    if scope["scheme"] == "https":
        wanted.append(STRICT_TRANSPORT)
    return [*given, *((name, value) for name, value in wanted if name not in present)]


class KnownHosts:
    """Refuses requests for names that are not ours (421): whoever makes a browser ask for another finds nobody.

    A page of somebody else's, whose name is made to lead here (DNS rebinding), could else speak to us as our own.
    The address that was reached is ours, since no page can have it as its name; so is localhost.
    """

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str] = ()) -> None:
        self.app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._is_ours(scope):
            await self.app(scope, receive, send)
            return
        status, title = OWN_PROBLEMS["unknown-host"]
        answer = problem_response(Request(scope), status=status, id="unknown-host", title=title)
        await answer(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(given) != 1:
            return False
        name = host_name(given[0])
        reached = scope.get("server")
        if name == LOCALHOST or (reached and same_host(name, reached[0])):
            return True
        return name in self._hosts or "*." + name.partition(".")[2] in self._hosts


def host_name(host: str) -> str:
    """Host header -> the name in lower case, without port and a last dot; IPv6 keeps its brackets."""
    host = host.strip().lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].removesuffix(".")


def same_host(name: str, address: str) -> bool:
    """Whether a Host's name is this address, however an IPv6 one is written."""
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
