"""The client of a request: headers of our own proxies are trusted, and never what a client wrote itself."""

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.web.middleware.forwarding import Forwarding, Hop

PROXY = "10.0.0.1"
OTHER_PROXY = "10.0.0.2"
CLIENT = "192.0.2.7"
LIAR = "203.0.113.66"
OURS = tuple(ip_network(each) for each in ("10.0.0.0/29", "fd00::/64"))


def scope(headers: list[tuple[str, str]], peer: str | None = PROXY) -> dict[str, Any]:
    return {
        "type": "http",
        "client": (peer, 40000) if peer else None,
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
    }


def heard(*headers: tuple[str, str], peer: str | None = PROXY, kind: str = "x-forwarded") -> Hop | None:
    return Forwarding(OURS, kind).hop(scope(list(headers), peer))


@pytest.mark.parametrize("kind", ["x-forwarded", "forwarded"])
@pytest.mark.parametrize("peer", [CLIENT, "::1", "127.0.0.1", None, "not-an-address"])
def test_headers_from_an_unknown_address_are_ignored(kind: str, peer: str | None) -> None:
    claims = [("X-Forwarded-For", LIAR), ("X-Forwarded-Proto", "https"), ("Forwarded", f"for={LIAR};proto=https")]
    assert heard(*claims, peer=peer, kind=kind) is None


def test_headers_are_ignored_without_trusted_proxies() -> None:
    assert Forwarding(()).hop(scope([("X-Forwarded-For", LIAR)])) is None


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        (CLIENT, CLIENT),
        (f"{LIAR}, {CLIENT}", CLIENT),  # the client wrote the first itself
        (f"{LIAR}, {PROXY}, {CLIENT}", CLIENT),  # and our own proxy's address too
        (f"{LIAR}, {CLIENT}, {OTHER_PROXY}", CLIENT),
        (f"{CLIENT}, {OTHER_PROXY}, {PROXY}", CLIENT),
        (f"{CLIENT}:61234", CLIENT),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        (f"::ffff:{CLIENT}", CLIENT),
        (f"{LIAR}, fd00::1, {OTHER_PROXY}", LIAR),
        (f"{OTHER_PROXY}, {PROXY}", OTHER_PROXY),  # the request comes from a proxy itself
        (f"{LIAR}, unknown", None),
        (f"{LIAR}, unknown, {OTHER_PROXY}", OTHER_PROXY),
        (f"{LIAR}, <script>", None),
        ("", None),
        (",,,", None),
    ],
)
def test_client_is_the_rightmost_address_that_is_no_proxy(chain: str, client: str | None) -> None:
    hop = heard(("X-Forwarded-For", chain))
    assert (hop.address if hop else None) == client
    quoted = ", ".join(f'for="{each.strip()}"' for each in chain.split(","))
    hop = heard(("Forwarded", quoted), kind="forwarded")
    assert (hop.address if hop else None) == client


def test_repeated_header_lines_are_read_as_one_list() -> None:
    hop = heard(("X-Forwarded-For", LIAR), ("X-Forwarded-For", CLIENT))
    assert hop is not None and hop.address == CLIENT


def test_header_of_the_other_kind_is_ignored() -> None:
    mixed = [("X-Forwarded-For", CLIENT), ("Forwarded", f"for={LIAR};proto=https;host=elsewhere.example")]
    assert heard(*mixed) == Hop(CLIENT, None, None)
    mixed = [("X-Forwarded-For", LIAR), ("X-Forwarded-Host", "elsewhere.example"), ("Forwarded", f"for={CLIENT}")]
    assert heard(*mixed, kind="forwarded") == Hop(CLIENT, None, None)


def test_scheme_and_host_are_those_the_nearest_proxy_wrote() -> None:
    hop = heard(
        ("X-Forwarded-For", CLIENT),
        ("X-Forwarded-Proto", "ftp, http, https"),
        ("X-Forwarded-Host", "elsewhere.example, innringing.sykehus.example:443"),
    )
    assert hop == Hop(CLIENT, "https", "innringing.sykehus.example:443")
    assert heard(("X-Forwarded-For", CLIENT), ("X-Forwarded-Proto", "javascript")) == Hop(CLIENT, None, None)
    assert heard(("X-Forwarded-For", CLIENT), ("X-Forwarded-Host", "a b\tc")) == Hop(CLIENT, None, None)


def test_forwarded_is_read_at_the_hop_that_counts() -> None:
    text = (
        f"for={LIAR};proto=http;host=elsewhere.example, "
        f'For={CLIENT};Proto=https;Host="innringing.sykehus.example", for={OTHER_PROXY};proto=http;host=inside'
    )
    assert heard(("Forwarded", text), kind="forwarded") == Hop(CLIENT, "https", "innringing.sykehus.example")
    # a comma or semicolon in quotes separates nothing, and an invalid element ends the search
    assert heard(("Forwarded", f'for={LIAR}, by="a,b;c";for={CLIENT}'), kind="forwarded") == Hop(CLIENT, None, None)
    assert heard(("Forwarded", f"for={CLIENT}, nonsense"), kind="forwarded") is None


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=200), st.sampled_from(["x-forwarded", "forwarded"]))
def test_elements_written_by_the_client_change_nothing(words: str, kind: str) -> None:
    name, last = ("X-Forwarded-For", CLIENT) if kind == "x-forwarded" else ("Forwarded", f'for="{CLIENT}:443";by=x')
    for headers in ([(name, words), (name, last)], [(name, f"{words}, {last}")]):
        hop = heard(*headers, kind=kind)
        assert hop is not None and hop.address == CLIENT


def test_unclosed_quote_hides_no_address() -> None:
    for words in ('for=10.0.0.3;x="', f'for={LIAR};x="', '"', '\\"', '"\\', f'for="{LIAR}, '):
        last = 'for="[2001:db8::7]:443";host="innringing.sykehus.example"'
        hop = heard(("Forwarded", f"{words}, {last}"), kind="forwarded")
        assert hop == Hop("2001:db8::7", None, "innringing.sykehus.example"), words


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=300), st.sampled_from(["x-forwarded", "forwarded"]))
def test_any_text_is_read_without_a_crash(words: str, kind: str) -> None:
    names = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded")
    heard(*((name, words) for name in names), kind=kind)
