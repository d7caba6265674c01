"""Kamailio before the nodes relays nothing for strangers: one end of every call is a node."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from ops.machine.kamailio import Kamailio
from tests.support.machine.servers import free_port

PROXY, TRUNK, STRANGER, INSIDE = "127.0.0.5", "127.0.0.6", "127.0.0.7", "127.0.0.8"
SECONDS = 20.0


@dataclass
class Party:
    """A SIP address that sends one message, and waits for what comes."""

    socket: socket.socket

    @property
    def address(self) -> str:
        host, port = self.socket.getsockname()
        return f"{host}:{port}"

    def send(self, proxy: str, method: str, uri: str, *, to: str = "x", route: str = "", call: str = "a") -> None:
        host, _, port = proxy.partition(":")
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.address};branch=z9hG4bK{call}{method}",
            *([f"Route: <sip:{proxy};lr>{route}"]),
            "Max-Forwards: 70",
            f"From: <sip:4768050199@{self.address}>;tag=f",
            f"To: <{uri}>;tag={to}",
            f"Call-ID: {call}@x",
            f"CSeq: 2 {method}",
            f"Contact: <sip:x@{self.address}>",
            "Content-Length: 0",
        ]
        self.socket.sendto(("\r\n".join(lines) + "\r\n\r\n").encode(), (host, int(port)))

    async def got(self, start: str) -> bytes:
        """The first message that starts with this."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(SECONDS):
            while True:
                data = await loop.sock_recv(self.socket, 65536)
                if data.startswith(start.encode()):
                    return data

    def heard(self) -> list[bytes]:
        """Everything that has arrived, but signs of life."""
        found = []
        while True:
            try:
                data = self.socket.recv(65536)
            except BlockingIOError:
                return [each for each in found if not each.startswith(b"OPTIONS")]
            found.append(data)


@dataclass
class Edge:
    """The proxy, and who is around it."""

    proxy: str
    node: Party
    trunk: Party
    stranger: Party
    inside: Party


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with ExitStack() as opened:
        parties = []
        for host in ("127.0.0.1", TRUNK, STRANGER, INSIDE):
            bound = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            bound.bind((host, 0))
            bound.setblocking(False)
            parties.append(Party(bound))
        node, trunk, stranger, inside = parties
        proxy = f"{PROXY}:{free_port(socket.SOCK_DGRAM)}"
        folder = tmp_path_factory.mktemp("kamailio")
        opened.enter_context(Kamailio(folder, listen=proxy, nodes=[node.address], trunk=[trunk.address]))
        yield Edge(proxy, node, trunk, stranger, inside)


@pytest.fixture(autouse=True)
async def quiet(edge: Edge) -> AsyncIterator[None]:
    for each in (edge.node, edge.trunk, edge.stranger, edge.inside):
        each.heard()
    yield


@pytest.mark.parametrize("method", ["INVITE", "BYE", "INFO", "MESSAGE", "REFER", "SUBSCRIBE"])
@pytest.mark.parametrize("through", ["uri", "route"])
async def test_stranger_reaches_no_one_through_the_proxy(edge: Edge, method: str, through: str) -> None:
    """A request that claims to belong to a call, with a route of the sender's choice, to a premium number or inside."""
    for n, victim in enumerate((edge.trunk, edge.inside)):
        uri = f"sip:+4782012345@{victim.address}" if through == "uri" else f"sip:+4782012345@{edge.proxy}"
        route = f",<sip:{victim.address};lr>" if through == "route" else ""
        edge.stranger.send(edge.proxy, method, uri, route=route, call=f"{method}{through}{n}")
        await asyncio.sleep(0.2)
        assert victim.heard() == []
        await edge.stranger.got("SIP/2.0 404")


async def test_requests_within_calls_pass_between_a_node_and_its_callers(edge: Edge) -> None:
    edge.node.send(edge.proxy, "BYE", f"sip:patient@{edge.trunk.address}", call="n1")
    assert b"BYE sip:patient@" in await edge.trunk.got("BYE")
    edge.trunk.send(edge.proxy, "BYE", f"sip:1000@{edge.node.address}", call="t1")
    assert b"BYE sip:1000@" in await edge.node.got("BYE")
    edge.node.send(edge.proxy, "BYE", f"sip:phone@{edge.inside.address}", call="n2")
    assert b"BYE sip:phone@" in await edge.inside.got("BYE")
    edge.inside.send(edge.proxy, "BYE", f"sip:phone@{edge.node.address}", call="p1")
    assert b"BYE sip:phone@" in await edge.node.got("BYE")
