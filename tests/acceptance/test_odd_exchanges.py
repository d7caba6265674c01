"""What other exchanges send: a fax offer, an INFO or OPTIONS that only asks for a response, SIP over TCP and IPv6."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from ops.machine.asterisk import AsteriskServer
from ops.softphone.phone import Phone
from ops.softphone.phone_call import PhoneCall
from tests.support.phone.dial_system import soon
from tests.support.phone.over_tcp import over_tcp

IMAGE = "m=image 40000 udptl t38\r\na=T38FaxVersion:0\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n"
CALLER = "+4768050701"


@asynccontextmanager
async def talking(asterisk: AsteriskServer) -> AsyncIterator[tuple[PhoneCall, PhoneCall]]:
    """A caller from the trunk, and the department's phone that answered."""
    port, password = asterisk.settings.sip.port, asterisk.instance.passwords["demo-phone"]
    async with (
        Phone(port=port, user="demo-phone", password=password) as phone,
        Phone(port=port, user=CALLER) as caller,
    ):
        await phone.register()
        call = asyncio.create_task(caller.ring("1001", patience=20))
        yield await soon(phone.answer()), await call


def loud(call: PhoneCall) -> bool:
    return any(abs(sample) > 500 for sample in call.heard.samples())


async def test_sound_goes_both_ways_where_a_fax_was_offered_too(
    start_asterisk: Callable[..., AsteriskServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = PhoneCall.description.fget  # type: ignore[attr-defined]
    offer = property(lambda call: plain(call) + ("" if call.invite else IMAGE))
    monkeypatch.setattr(PhoneCall, "description", offer)
    async with talking(await asyncio.to_thread(start_asterisk)) as (at_desk, caller):
        for side in (at_desk, caller):
            side.stream.say(b"\xa5\x25" * 8000)
        await asyncio.sleep(3)
        assert loud(caller), "the caller hears nothing"
        assert loud(at_desk), "the phone hears nothing"
        await caller.hang_up()


async def test_empty_info_in_a_call_is_answered(start_asterisk: Callable[..., AsteriskServer]) -> None:
    async with talking(await asyncio.to_thread(start_asterisk)) as (_, caller):
        async with asyncio.timeout(5):
            assert (await caller.dialog.ask("INFO", [])).status == 200
        await caller.hang_up()


NAMES = ("1000", "4768059000", "+4768059000", "ping", "a.b-c", "")


async def test_exchange_that_asks_whether_we_are_there_is_answered_under_any_name(
    start_asterisk: Callable[..., AsteriskServer],
) -> None:
    asterisk = await asyncio.to_thread(start_asterisk)
    found = {name: (await over_tcp(asterisk.settings.sip, "OPTIONS", name)).status for name in NAMES}
    assert found == dict.fromkeys(NAMES, 200)
    sip, elsewhere = asterisk.settings.sip, ("4768059999", "ping", "00441632960000")
    calls = {name: (await over_tcp(sip, "INVITE", name)).status for name in elsewhere}
    assert set(calls.values()) == {404}, "a number that is no department's leads nowhere"


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
async def test_exchange_reaches_us_over_ipv6(start_asterisk: Callable[..., AsteriskServer]) -> None:
    asterisk = await asyncio.to_thread(start_asterisk, sip_host="::1")
    assert (await over_tcp(asterisk.settings.sip, "OPTIONS", "1000")).status == 200
    assert (await over_tcp(asterisk.settings.sip, "INVITE", "4768059999")).status == 404
