"""Who asked, through our own proxies: read from what they write, and from nobody else's words. Pure.

Each proxy adds whom it heard from at the right end. From there we go left for as long as the address is one of our own
proxies'; the first that is not is the client. What stands further left the client may have made up.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.types import Scope

from desk.settings.network import Network

MOST_HOPS = 32
_PAIR = re.compile(r'\s*([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))\s*')
_HOST = re.compile(r"[A-Za-z0-9.\-_]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_SCHEMES = ("http", "https")

Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class Hop:
    """The request as the outermost of our proxies got it. Scheme and host are None where it did not say."""

    address: str
    scheme: str | None
    host: str | None


class Forwarding:
    """`proxies` are ours. `header` is what they write: `x-forwarded` (…-For, -Proto, -Host) or `forwarded` (RFC 7239).

    Only that one is read: a proxy that writes the one passes a client's own of the other kind on untouched.
    """

    def __init__(self, proxies: Sequence[Network], header: str = "x-forwarded") -> None:
        self._proxies = tuple(proxies)
        self._header = header

    def hop(self, scope: Scope) -> Hop | None:
        """What our proxies say; None when it was no proxy of ours that connected, or it said nothing of use."""
        peer = scope.get("client")
        if not self._proxies or peer is None or not self._is_ours(_address(peer[0])):
            return None
        headers = [(name.lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        return self._by_forwarded(headers) if self._header == "forwarded" else self._by_x_forwarded(headers)

    def _is_ours(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._proxies)

    def _by_x_forwarded(self, headers: Sequence[tuple[bytes, str]]) -> Hop | None:
        """Of -Proto and -Host the last value counts: it is the one the nearest proxy wrote."""
        heard = [_address(part) for part in _listed(headers, b"x-forwarded-for")]
        index = self._outermost(heard)
        if index is None:
            return None
        scheme = next(iter(reversed(_listed(headers, b"x-forwarded-proto"))), None)
        host = next(iter(reversed(_listed(headers, b"x-forwarded-host"))), None)
        return Hop(str(heard[index]), _scheme(scheme), _host(host))

    def _by_forwarded(self, headers: Sequence[tuple[bytes, str]]) -> Hop | None:
        elements = [_pairs(part) for part in _listed(headers, b"forwarded")]
        heard = [_address(element.get("for", "")) for element in elements]
        index = self._outermost(heard)
        if index is None:
            return None
        element = elements[index]
        return Hop(str(heard[index]), _scheme(element.get("proto")), _host(element.get("host")))

    def _outermost(self, heard: Sequence[Address | None]) -> int | None:
        """Where the client stands: the right-most address that is not ours, else the left-most of ours.

        What can't be read stops the walk: the hop after it is the last one known.
        """
        found = None
        for index in range(len(heard) - 1, max(-1, len(heard) - 1 - MOST_HOPS), -1):
            address = heard[index]
            if address is None:
                return found
            found = index
            if not self._is_ours(address):
                return found
        return found


def _listed(headers: Iterable[tuple[bytes, str]], wanted: bytes) -> list[str]:
    """All values of a header, however many lines it came in; commas in quotes don't part them.

    Read from the right, where our own proxies write: a quote that a client leaves open swallows nothing of theirs.
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
    """One element of Forwarded; empty when it is not one."""
    pairs: dict[str, str] = {}
    for part in re.findall(r'((?:"(?:[^"\\]|\\.)*"|[^;"])+)', element):
        found = _PAIR.fullmatch(part)
        if found is None:
            return {}
        pairs[found[1].lower()] = found[2] if found[2] is not None else found[3]
    return pairs


def _address(text: str) -> Address | None:
    """An address with or without port, IPv6 with or without brackets; None for `unknown` and whatever else it says.

    An IPv4 address that came over an IPv6 socket is the IPv4 address.
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
