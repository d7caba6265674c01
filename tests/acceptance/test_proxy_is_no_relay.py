"""Kamailio before the nodes relays nothing for strangers: one end of every call is a node."""

import asyncio

import pytest

from tests.support.machine.sip_edge import Edge
from tests.support.phone.sip_party import Party


def within(edge: Edge, sender: Party, method: str, uri: str, *, route: str = "", call: str = "a") -> None:
    """Send a request that says it belongs to a call."""
    headers = f"Route: <sip:{edge.proxy};lr>{route}\r\n"
    sender.send(edge.proxy, sender.request(edge.proxy, method, uri, call=call, to="x", headers=headers))


@pytest.mark.parametrize("method", ["INVITE", "BYE", "INFO", "MESSAGE", "REFER", "SUBSCRIBE"])
@pytest.mark.parametrize("through", ["uri", "route"])
async def test_stranger_reaches_no_one_through_the_proxy(edge: Edge, method: str, through: str) -> None:
    """A request that claims to belong to a call, with a route of the sender's choice, to a premium number or inside."""
    for n, victim in enumerate((edge.trunk, edge.inside)):
        uri = f"sip:+4782012345@{victim.address}" if through == "uri" else f"sip:+4782012345@{edge.proxy}"
        route = f",<sip:{victim.address};lr>" if through == "route" else ""
        within(edge, edge.stranger, method, uri, route=route, call=f"{method}{through}{n}")
        await asyncio.sleep(0.2)
        assert victim.heard() == []
        await edge.stranger.got("SIP/2.0 404")


async def test_requests_within_calls_pass_between_a_node_and_its_callers(edge: Edge) -> None:
    node = edge.nodes[0]
    within(edge, node, "BYE", f"sip:patient@{edge.trunk.address}", call="n1")
    assert b"BYE sip:patient@" in await edge.trunk.got("BYE")
    within(edge, edge.trunk, "BYE", f"sip:1000@{node.address}", call="t1")
    assert b"BYE sip:1000@" in await node.got("BYE")
    within(edge, node, "BYE", f"sip:phone@{edge.inside.address}", call="n2")
    assert b"BYE sip:phone@" in await edge.inside.got("BYE")
    within(edge, edge.inside, "BYE", f"sip:phone@{node.address}", call="p1")
    assert b"BYE sip:phone@" in await node.got("BYE")
