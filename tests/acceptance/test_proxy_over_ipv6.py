"""Kamailio over IPv6: the telephone company's call reaches a node with the mark, and either side ends it."""

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from ops.machine.kamailio import Kamailio
from tests.support.machine.sip_edge import MARK
from tests.support.machine.system import until
from tests.support.phone.sip_party import Party
from tests.support.ports import free_port

HERE = "::1"


@pytest.fixture
def parties(tmp_path: Path) -> Iterator[tuple[Kamailio, Party, Party]]:
    """A proxy, its node and the telephone company, all at the one address of IPv6 that every machine has."""
    with ExitStack() as opened:
        node, company = (opened.enter_context(closing(Party(HERE, alive=alive))) for alive in (True, False))
        kamailio = Kamailio(
            tmp_path / "kamailio",
            listen=f"[{HERE}]:{free_port(socket.SOCK_DGRAM)}",
            nodes=[node.address],
            trunk=[company.address],
            mark=MARK,
        )
        yield opened.enter_context(kamailio), node, company


async def test_call_over_ipv6_is_given_to_a_node_and_ended_by_either_side(
    parties: tuple[Kamailio, Party, Party],
) -> None:
    kamailio, node, company = parties
    until(lambda: "FLAGS: AP" in kamailio.command("dispatcher.list"))
    for call, ends in (("six1", node), ("six2", company)):
        other = company if ends is node else node
        proxy = kamailio.listen
        company.send(proxy, company.request(proxy, "INVITE", f"sip:1000@{proxy}", call=call))
        invite = await node.got("INVITE")
        assert f"X-Innringing-Trunk: {MARK}".encode() in invite
        node.send(proxy, node.answer(invite, "200 OK"))
        await company.got("SIP/2.0 200")
        [way] = re.findall(rb"(?m)^Record-Route: (\S+)", invite)
        bye = ends.request(
            proxy, "BYE", f"sip:x@{other.address}", call=call, to="n", headers=f"Route: {way.decode()}\r\n"
        )
        ends.send(proxy, bye)
        assert (await other.got("BYE")).startswith(f"BYE sip:x@{other.address} ".encode())
