"""Read who sent a request from the headers of our own proxies, and from no one else's.

Each proxy appends the address it heard from at the right end. The walk goes left from there for as long as the address
is one of our proxies; the first that is not is the client. Anything further left may be the client's own invention.

uvicorn's ProxyHeadersMiddleware can't replace this: it takes `unknown` for a client's address and reads neither a list
in X-Forwarded-Proto, nor X-Forwarded-Host, nor Forwarded (`test_client_is_the_rightmost_address_that_is_no_proxy`,
`test_scheme_and_host_are_those_the_nearest_proxy_wrote`, `test_forwarded_is_read_at_the_hop_that_counts`).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

MOST_HOPS = 32
_PAIR = re.compile(r'\s*([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))\s*')
_HOST = re.compile(r"[A-Za-z0-9.\-_]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_SCHEMES = ("http", "https")

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class ForwardedMiddleware:
    """Sets `client`, `scheme` and Host to what the outermost of our proxies received."""

    def __init__(self, app: ASGIApp, *, proxies: Sequence[Network] = (), header: str = "x-forwarded") -> None:
        self.app = app
        self._forwarding = Forwarding(proxies, header)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (hop := self._forwarding.hop(scope)):
            scope["client"] = (hop.address, 0)
            scope["scheme"] = hop.scheme or scope["scheme"]
            if hop.host:
                others = [(name, value) for name, value in scope["headers"] if name != b"host"]
                scope["headers"] = [(b"host", hop.host.encode("latin-1")), *others]
        await self.app(scope, receive, send)


@dataclass(frozen=True)
class Hop:
    """The request as the outermost of our proxies received it. Scheme and host are None where it did not say."""

    address: str
    scheme: str | None
    host: str | None


class Forwarding:
    """Reads the headers of our `proxies`: `x-forwarded` (…-For, -Proto, -Host) or `forwarded` (RFC 7239).

    Only one kind is read: a proxy that writes one passes the client's own headers of the other kind on untouched.
    """

    def __init__(self, proxies: Sequence[Network], header: str = "x-forwarded") -> None:
        self._proxies = tuple(proxies)
        self._header = header

    def hop(self, scope: Scope) -> Hop | None:
        """Return what our proxies say; None when the peer is not one of them, or said nothing of use."""
        peer = scope.get("client")
        if not self._proxies or peer is None or not self._is_proxy(_address(peer[0])):
            return None
        headers = [(name.lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        return self._by_forwarded(headers) if self._header == "forwarded" else self._by_x_forwarded(headers)

    def _is_proxy(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._proxies)

    def _by_x_forwarded(self, headers: Sequence[tuple[bytes, str]]) -> Hop | None:
        """The last value of -Proto and -Host counts: the nearest proxy wrote it."""
        path = [_address(part) for part in _values(headers, b"x-forwarded-for")]
        index = self._client(path)
        if index is None:
            return None
        scheme = next(iter(reversed(_values(headers, b"x-forwarded-proto"))), None)
        host = next(iter(reversed(_values(headers, b"x-forwarded-host"))), None)
        return Hop(str(path[index]), _scheme(scheme), _host(host))

    def _by_forwarded(self, headers: Sequence[tuple[bytes, str]]) -> Hop | None:
        elements = [_pairs(part) for part in _values(headers, b"forwarded")]
        path = [_address(element.get("for", "")) for element in elements]
        index = self._client(path)
        if index is None:
            return None
        element = elements[index]
        return Hop(str(path[index]), _scheme(element.get("proto")), _host(element.get("host")))

    def _client(self, path: Sequence[Address | None]) -> int | None:
        """The index of the rightmost address that is no proxy of ours, else of the leftmost proxy.

        An unreadable address ends the walk: the hop to the right of it is the last one known.
        """
        found = None
        for index in range(len(path) - 1, max(-1, len(path) - 1 - MOST_HOPS), -1):
            address = path[index]
            if address is None:
                return found
            found = index
            if not self._is_proxy(address):
                return found
        return found


def _values(headers: Iterable[tuple[bytes, str]], wanted: bytes) -> list[str]:
    """Return all values of a header, over all its lines; a comma in quotes separates nothing.

    The text is read from the right, where our proxies write: a quote that a client left open hides nothing of theirs.
    """
    text = ",".join(value for name, value in headers if name == wanted)
    parts, end, quoted = [], len(text), False
    for at in range(len(text) - 1, -1, -1):
        if text[at] == '"' and not _is_escaped(text, at):
            quoted = not quoted
        elif text[at] == "," and not quoted:
            parts.append(text[at + 1 : end])
            end = at
    parts.append(text[:end])
    return [part.strip() for part in reversed(parts) if part.strip()]


def _is_escaped(text: str, at: int) -> bool:
    before = text[:at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _pairs(element: str) -> dict[str, str]:
    """Parse one element of Forwarded; empty when it is not one."""
    pairs: dict[str, str] = {}
    for part in re.findall(r'((?:"(?:[^"\\]|\\.)*"|[^;"])+)', element):
        found = _PAIR.fullmatch(part)
        if found is None:
            return {}
        pairs[found[1].lower()] = found[2] if found[2] is not None else found[3]
    return pairs


def _address(text: str) -> Address | None:
    """Parse an address with or without port, IPv6 with or without brackets; None for `unknown` and anything else.

    An IPv4 address mapped to IPv6 becomes the IPv4 address.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _scheme(text: str | None) -> str | None:
    lower = (text or "").strip().lower()
    return lower if lower in _SCHEMES else None


def _host(text: str | None) -> str | None:
    stripped = (text or "").strip()
    return stripped if _HOST.fullmatch(stripped) else None
