"""Every way for a phone or a caller to make Asterisk call another number: the trunk must receive nothing.

The phone of the department is `sipp` or the softphone, the trunk is `sipp` and records every INVITE.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ops.softphone.dialog import SipDialog
from ops.softphone.errors import PhoneError, SipRefusal
from ops.softphone.phone import Phone
from ops.softphone.phone_call import PhoneCall
from ops.softphone.sip import tag_of
from tests.support.phone import sipp_server
from tests.support.phone.dial_system import Case, Exchange, running_exchange, soon
from tests.support.phone.sipp_server import Sipp
from tests.support.ports import free_port

PREMIUM = "+4782012345"
SATELLITE = "+881612345678"
CALLER = "+4768050801"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with running_exchange(tmp_path_factory.mktemp("exchange")) as exchange:
        yield exchange


@pytest.fixture
async def trunk(exchange: Exchange, tmp_path: Path) -> AsyncIterator[Sipp]:
    """The telephone company. It answers every call."""
    async with sipp_server.serving(tmp_path, "trunk", sipp_server.ANSWERING, exchange.patient_port) as trunk:
        yield trunk


@asynccontextmanager
async def redirector(exchange: Exchange, folder: Path, name: str, scenario: str) -> AsyncIterator[Sipp]:
    """The phone of that name, registered. It redirects every call as the scenario says."""
    port = free_port(socket.SOCK_DGRAM)
    password = exchange.system.asterisk.instance.passwords[name]
    async with Phone(port=exchange.system.settings.sip.port, user=name, password=password, own_port=port) as phone:
        await phone.register()
    async with sipp_server.serving(folder, name, scenario, port) as sipp:
        yield sipp


def contacts(trunk_port: int) -> dict[str, str]:
    """Where a phone may redirect to."""
    return {
        "premium through the trunk": f"<sip:PJSIP%2F{PREMIUM.replace('+', '%2B')}%40trunk@x>",
        "satellite through the trunk": f"<sip:PJSIP%2F{SATELLITE.replace('+', '%2B')}%40trunk@x>",
        "any host": f"<sip:PJSIP%2Ftrunk%2Fsip%3Aanyone%40127.0.0.1%3A{trunk_port}@x>",
        "a number of the dialplan": "<sip:Local%2F1001%40departments@x>",
        "an ordinary redirect": f"<sip:{PREMIUM}@127.0.0.1:{trunk_port}>",
    }


KINDS = list(contacts(0))


async def calls(exchange: Exchange, extension: str, *, stays: float = 1) -> None:
    """Call a line from outside, and hang up `stays` seconds after it answers, or after six without an answer."""
    async with Phone(port=exchange.system.settings.sip.port, user=CALLER) as caller:
        try:
            call = await caller.ring(extension, patience=6)
        except PhoneError:
            return
        await asyncio.sleep(stays)
        await call.hang_up()


@pytest.mark.parametrize(("extension", "kind"), [*(("1001", kind) for kind in KINDS), ("1002", KINDS[0])])
async def test_redirect_of_a_department_phone(
    exchange: Exchange, trunk: Sipp, tmp_path: Path, extension: str, kind: str
) -> None:
    scenario = sipp_server.redirecting(contacts(exchange.patient_port)[kind])
    async with redirector(exchange, tmp_path, "demo-phone", scenario) as phone:
        await calls(exchange, extension)
        await phone.was_called()
    await exchange.nothing_is_left()
    assert trunk.invited == []


@pytest.mark.parametrize(
    "status", ["300 Multiple Choices", "301 Moved Permanently", "305 Use Proxy", "380 Alternative"]
)
async def test_redirect_with_any_status(exchange: Exchange, trunk: Sipp, tmp_path: Path, status: str) -> None:
    scenario = sipp_server.redirecting(contacts(exchange.patient_port)[KINDS[0]], status)
    async with redirector(exchange, tmp_path, "demo-phone", scenario) as phone:
        await calls(exchange, "1001")
        await phone.was_called()
    await exchange.nothing_is_left()
    assert trunk.invited == []


async def test_redirect_of_the_switchboard(exchange: Exchange, trunk: Sipp, tmp_path: Path) -> None:
    """No phone of the department is registered: the line goes on to the switchboard, which redirects."""
    async with registered(exchange) as phone:
        await phone.register(seconds=0)
    scenario = sipp_server.redirecting(contacts(exchange.patient_port)[KINDS[0]])
    async with redirector(exchange, tmp_path, "switchboard", scenario) as phone:
        await calls(exchange, "1001", stays=15)  # the line says first that no one answers
        await phone.was_called()
    await exchange.nothing_is_left()
    assert trunk.invited == []


@pytest.mark.parametrize("kind", KINDS)
async def test_redirect_of_an_agent_phone_in_click_to_call(
    exchange: Exchange, trunk: Sipp, tmp_path: Path, kind: str
) -> None:
    scenario = sipp_server.redirecting(contacts(exchange.patient_port)[kind])
    async with redirector(exchange, tmp_path, "demo-phone", scenario) as phone, exchange.agent() as agent:
        case = await Case.claimed(agent, f"+476805081{KINDS.index(kind)}")
        await case.dial()
        assert await case.ended() == "agent_unavailable"
        await phone.was_called()
    await exchange.nothing_is_left()
    assert trunk.invited == []


async def test_redirect_of_the_telephone_company_in_click_to_call(exchange: Exchange, tmp_path: Path) -> None:
    scenario = sipp_server.redirecting(contacts(exchange.patient_port)[KINDS[0]])
    async with sipp_server.serving(tmp_path, "trunk", scenario, exchange.patient_port) as trunk:
        async with registered(exchange) as desk_phone, exchange.agent() as agent:
            case = await Case.claimed(agent, "+4768050820")
            await case.dial()
            await soon(desk_phone.answer())
            assert await case.ended() == "failed"
        await exchange.nothing_is_left()
        assert trunk.invited == ["+4768050820"]


@asynccontextmanager
async def registered(exchange: Exchange) -> AsyncIterator[Phone]:
    password = exchange.system.asterisk.instance.passwords["demo-phone"]
    async with Phone(port=exchange.system.settings.sip.port, user="demo-phone", password=password) as phone:
        await phone.register()
        yield phone


@asynccontextmanager
async def talking(exchange: Exchange) -> AsyncIterator[tuple[PhoneCall, PhoneCall]]:
    """A caller and a department phone in a call: (the caller's side, the phone's side)."""
    async with registered(exchange) as phone, Phone(port=exchange.system.settings.sip.port, user=CALLER) as caller:
        call = asyncio.create_task(caller.ring("1001", patience=20))
        at_desk = await soon(phone.answer())
        yield await call, at_desk


@asynccontextmanager
async def talking_by_click(exchange: Exchange, number: str) -> AsyncIterator[PhoneCall]:
    """An agent in a call with a patient: the agent's side."""
    async with registered(exchange) as phone, exchange.agent() as agent:
        case = await Case.claimed(agent, number)
        await case.dial()
        at_desk = await soon(phone.answer())
        await case.state("bridged")
        yield at_desk


REFERRED = [
    f"<sip:{PREMIUM}@trunk>",
    f"<sip:PJSIP%2F{PREMIUM.replace('+', '%2B')}%40trunk@x>",
    "<sip:1001@x?Replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3>",
]


async def refer(side: PhoneCall, target: str) -> None:
    """Ask Asterisk to transfer the call. It refuses, or does not answer: no module handles a REFER."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2):
            answer = await side.dialog.ask("REFER", [("Refer-To", target), ("Referred-By", "<sip:x@x>")])
            assert answer.status >= 400, answer.status
    assert not side.ended.is_set()


async def test_refer_in_a_call(exchange: Exchange, trunk: Sipp) -> None:
    async with talking(exchange) as sides:
        for target in REFERRED:
            await asyncio.gather(*(refer(side, target) for side in sides))
        await sides[0].hang_up()
    await exchange.nothing_is_left()
    assert trunk.invited == []


async def test_feature_codes_in_a_call(exchange: Exchange, trunk: Sipp) -> None:
    async with talking(exchange) as sides:
        for codes in ("*2", "##", "#1", "*1", "*3", "*0"):
            await asyncio.gather(*(side.key(codes + "82012345#") for side in sides))
            await asyncio.sleep(1)
            assert not any(side.ended.is_set() for side in sides), codes
        await sides[0].hang_up()
    await exchange.nothing_is_left()
    assert trunk.invited == []


async def test_refer_and_feature_codes_in_click_to_call(exchange: Exchange, trunk: Sipp) -> None:
    async with talking_by_click(exchange, "+4768050830") as at_desk:
        for target in REFERRED:
            await refer(at_desk, target)
        for codes in ("*2", "##", "#1"):
            await at_desk.key(codes + "82012345#")
        await asyncio.sleep(1)
        assert not at_desk.ended.is_set()
        await at_desk.hang_up()
    await exchange.nothing_is_left()
    assert trunk.invited == ["+4768050830"]


async def test_invite_in_a_call_changes_nothing(exchange: Exchange, trunk: Sipp) -> None:
    async with talking(exchange) as (caller, at_desk):
        for side in (at_desk, caller):
            answer = await side.dialog.ask("INVITE", [("Referred-By", "<sip:x@x>")], side.description)
            side.dialog.acknowledge(answer)
            assert answer.status == 200
            assert not side.ended.is_set()
        await caller.hang_up()
    await exchange.nothing_is_left()
    assert trunk.invited == []


@pytest.mark.parametrize("called", ["1000", PREMIUM])
@pytest.mark.parametrize("required", [False, True])
async def test_invite_with_replaces(exchange: Exchange, trunk: Sipp, called: str, required: bool) -> None:
    """An attended transfer without REFER: someone else's phone names a call, to take its place in it."""
    port = exchange.system.settings.sip.port
    async with talking(exchange) as sides, Phone(port=port, user="+4768050802") as stranger:
        for side in sides:
            named = f"{side.dialog.id};to-tag={tag_of(side.dialog.them)};from-tag={tag_of(side.dialog.us)}"
            headers = [("Replaces", named), *([("Require", "replaces")] if required else [])]
            us, them = f"<sip:{stranger.user}@{stranger.server}>;tag=1", f"<sip:{called}@{stranger.server}>"
            dialog = SipDialog(stranger, f"sip:{called}@{stranger.server}", us=us, them=them)
            answer = await dialog.ask("INVITE", headers, side.description)
            dialog.them = answer.header("to")
            dialog.acknowledge(answer)
            if answer.status < 300:  # a call of its own, as without the header
                await dialog.ask("BYE", [])
            assert (answer.status < 300) is (called == "1000" and not required), answer.status
            await asyncio.sleep(0.5)
            assert not any(each.ended.is_set() for each in sides)
        await sides[0].hang_up()
    await exchange.nothing_is_left()
    assert trunk.invited == []


NUMBERS = [
    *(PREMIUM, PREMIUM[1:], PREMIUM[3:], "00" + PREMIUM[1:], "0" + PREMIUM, "9" + PREMIUM[3:], SATELLITE),
    *("trunk", f"{PREMIUM}@trunk", f"PJSIP%2F{PREMIUM}%40trunk", "switchboard&PJSIP%2Ftrunk", "s", "T", "kirurgi"),
]


@pytest.mark.parametrize("number", NUMBERS)
async def test_invite_from_a_phone_to_a_number_that_is_not_ours(exchange: Exchange, trunk: Sipp, number: str) -> None:
    async with registered(exchange) as phone:
        with pytest.raises(SipRefusal) as refused:
            await phone.ring(number.replace("@", "%40"), patience=10)
        assert refused.value.status == 404
    await exchange.nothing_is_left()
    assert trunk.invited == []


@pytest.mark.parametrize("method", ["REFER", "MESSAGE", "SUBSCRIBE", "PUBLISH", "NOTIFY"])
async def test_request_outside_of_a_call(exchange: Exchange, trunk: Sipp, method: str) -> None:
    async with registered(exchange) as phone:
        us, them = f"<sip:demo-phone@{phone.server}>;tag=1", f"<sip:1001@{phone.server}>"
        extra = [("Refer-To", REFERRED[0]), ("Event", "presence"), ("Expires", "60")]
        answer = await SipDialog(phone, f"sip:1001@{phone.server}", us=us, them=them).ask(method, extra)
        assert answer.status >= 400, (method, answer.status)
    assert trunk.invited == []
