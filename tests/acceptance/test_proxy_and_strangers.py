"""Kamailio before the nodes: who is the telephone company, what is passed on, what is logged, and floods."""

import asyncio
import re

from tests.support.machine.sip_edge import MARK, STRANGER, Edge
from tests.support.machine.system import until
from tests.support.phone.sip_party import PATIENCE, Party
from tests.support.synthetic import synthetic_identity

NUMBER, IDENTITY = "+4768050199", synthetic_identity(611)
MALFORMED = [
    f'From: "{IDENTITY} <sip:{NUMBER}@x;tag=f\r\n',
    f"From: {IDENTITY}\r\n",
    f"P-Asserted-Identity: {IDENTITY} <sip:{NUMBER}\r\n",
    f"Route: {IDENTITY}\r\n",
    f"{IDENTITY}\r\n",
    f"Via: {IDENTITY}\r\n",
    f"CSeq: {IDENTITY} {IDENTITY}\r\n",
    f"Content-Length: 9999\r\n\r\nSignal={IDENTITY}\r\n",
    f"Contact: <sip:{IDENTITY}@no-such-host.invalid>\r\n",
]
FLOOD = 300


async def called(edge: Edge, caller: Party, call: str, headers: str = "") -> tuple[Party, bytes]:
    """The node that is given this call to a department, and its INVITE. The node refuses the call."""
    caller.send(edge.proxy, caller.request(edge.proxy, "INVITE", f"sip:1000@{edge.proxy}", call=call, headers=headers))
    async with asyncio.timeout(PATIENCE):
        while True:
            for node in edge.nodes:
                for each in node.heard():
                    if each.startswith(b"INVITE") and f"Call-ID: {call}@".encode() in each:
                        node.send(edge.proxy, node.answer(each, "486 Busy Here"))
                        await caller.got("SIP/2.0 486")
                        return node, each
            await asyncio.sleep(0.02)


def out(edge: Edge) -> int:
    """How many nodes get no calls."""
    return edge.kamailio.command("dispatcher.list").count("FLAGS: I")


async def test_only_the_telephone_companys_calls_have_the_secret_mark(edge: Edge) -> None:
    assert f"X-Innringing-Trunk: {MARK}\r\n".encode() in (await called(edge, edge.trunk, "company"))[1]
    for n, written in enumerate(("X-Innringing-Trunk: yes\r\n", "Subject: a\rX-Innringing-Trunk: yes\r\n")):
        assert MARK.encode() not in (await called(edge, edge.stranger, f"stranger{n}", written))[1]
    _, stolen = await called(edge, edge.stranger, "mark", f"x-innringing-trunk : {MARK}\r\n")
    assert MARK.encode() not in stolen


async def test_name_asserted_number_and_privacy_pass_unchanged(edge: Edge) -> None:
    headers = (
        f'From: "Åse Prøve" <sip:anonymous@anonymous.invalid>;tag=f\r\n'
        f'P-Asserted-Identity: "Åse Prøve" <sip:{NUMBER}@carrier.example>\r\nPrivacy: id\r\n'
        f"Diversion: <sip:+4768059000@carrier.example>;reason=unconditional\r\n"
    )
    _, arrived = await called(edge, edge.trunk, "named", headers)
    for line in headers.encode().split(b"\r\n"):
        assert line in arrived


async def test_calls_go_to_the_nodes_in_turn_and_to_none_that_gives_no_sign_of_life(edge: Edge) -> None:
    given = [(await called(edge, edge.trunk, f"turn{n}"))[0] for n in range(4)]
    assert given[0] is not given[1] and given[:2] == given[2:]
    edge.nodes[1].alive = False
    await asyncio.to_thread(until, lambda: out(edge) == 1)
    assert "gives no sign of life: sip:" + edge.nodes[1].address in edge.log()
    assert [(await called(edge, edge.trunk, f"one{n}"))[0] for n in range(2)] == [edge.nodes[0]] * 2
    edge.nodes[1].alive = True
    await asyncio.to_thread(until, lambda: out(edge) == 0)
    assert "answers again: sip:" + edge.nodes[1].address in edge.log()
    given = [(await called(edge, edge.trunk, f"both{n}"))[0] for n in range(2)]
    assert edge.nodes[0] in given and edge.nodes[1] in given


async def test_phone_that_registers_over_tcp_is_called_on_its_connection(edge: Edge) -> None:
    host, port = edge.proxy.split(":")
    reading, writing = await asyncio.open_connection(host, int(port), local_addr=(STRANGER, 0))
    phone = ":".join(map(str, writing.get_extra_info("sockname")))
    headers = {
        "Via": f"SIP/2.0/TCP {phone};branch=z9hG4bKtcp",
        **{"From": "<sip:phone@x>;tag=f", "To": "<sip:phone@x>", "Call-ID": "tcp@x", "CSeq": "1 REGISTER"},
        **{"Max-Forwards": "70", "Contact": f"<sip:phone@{phone};transport=tcp>", "Content-Length": "0"},
    }
    lines = [f"REGISTER sip:{edge.proxy} SIP/2.0", *(f"{name}: {value}" for name, value in headers.items())]
    writing.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    await asyncio.to_thread(until, lambda: any(node.waits for node in edge.nodes))
    [(node, register)] = [(node, each) for node in edge.nodes for each in node.heard()[:1]]
    node.send(edge.proxy, node.answer(register, "200 OK"))
    assert (await reading.readuntil(b"\r\n\r\n")).startswith(b"SIP/2.0 200")
    path = re.search(rb"(?m)^Path: (\S+)", register)[1].decode()  # type: ignore[index]
    call = node.request(
        edge.proxy, "INVITE", f"sip:phone@{phone};transport=tcp", call="in", headers=f"Route: {path}\r\n"
    )
    node.send(edge.proxy, call)
    async with asyncio.timeout(PATIENCE):
        assert (await reading.readuntil(b"\r\n\r\n")).startswith(b"INVITE sip:phone@")
    writing.close()


async def test_call_that_no_node_answers_takes_no_node_out(edge: Edge) -> None:
    """A packet that Asterisk discards, from a stranger, again and again."""
    for n in range(4):
        request = edge.stranger.request(edge.proxy, "INVITE", f"sip:1000@{edge.proxy}", call=f"ignored{n}")
        edge.stranger.send(edge.proxy, request)
        await edge.stranger.got("SIP/2.0 408")
    assert out(edge) == 0
    assert "no sign of life" not in edge.log().split("answers again")[-1]


async def test_no_number_and_no_digit_of_a_malformed_packet_is_logged(edge: Edge) -> None:
    for n, headers in enumerate(MALFORMED):
        for method in ("INFO", "INVITE", "REGISTER", "OPTIONS"):
            for caller in (edge.trunk, edge.nodes[0]):
                uri = f"sip:{IDENTITY}@{edge.proxy}"
                data = caller.request(
                    edge.proxy, method, uri, call=f"bad{n}", to="x" * (method == "INFO"), headers=headers
                )
                caller.send(edge.proxy, data)
    for data in (f"{IDENTITY}\r\n\r\n", f"SIP/2.0 200 {IDENTITY}\r\n\r\n", f"INFO {IDENTITY}"):
        edge.trunk.send(edge.proxy, data.encode())
    await called(edge, edge.trunk, "after")
    assert IDENTITY not in edge.log() and NUMBER not in edge.log()
    assert len(edge.log().splitlines()) < 20


async def test_flood_of_one_stranger_is_dropped_and_others_are_served(edge: Edge) -> None:
    for n in range(FLOOD):
        request = edge.stranger.request(edge.proxy, "MESSAGE", f"sip:1000@{edge.proxy}", call=f"flood{n}")
        edge.stranger.send(edge.proxy, request)
    await called(edge, edge.trunk, "meanwhile")
    await called(edge, edge.inside, "another")
    refused = [each for each in edge.stranger.heard() if each.startswith(b"SIP/2.0 405")]
    assert 0 < len(refused) < FLOOD
