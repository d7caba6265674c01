"""Whole calls over IPv6, sound included: a patient is heard and hears, and an agent calls back and is heard."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from ops.softphone.phone import Phone
from ops.softphone.phone_call import PhoneCall
from tests.support.phone.callers import Caller
from tests.support.phone.dial_system import PATIENCE, Case, Exchange, running_exchange, soon
from tests.support.ports import free_port
from tests.support.synthetic import synthetic_identity

HERE = "::1"
CALLER = "+4768050761"
VOICE = b"\xa5\x25" * 8000

pytestmark = pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")


@pytest.fixture(scope="module")
def exchange(prompts: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """A system that takes calls on every IPv6 address. Here it is called at the one that every machine has."""
    folder = tmp_path_factory.mktemp("ipv6")
    patient_port = free_port(socket.SOCK_DGRAM)
    with running_exchange(folder, sip_host="::", trunk=f"[{HERE}]:{patient_port}") as running:
        running.patient_port = patient_port
        yield running


async def test_patient_keys_and_hears_the_receipt(exchange: Exchange) -> None:
    settings = exchange.system.settings
    async with Phone(HERE, settings.sip.port) as phone:
        call = await phone.ring("1000", caller=CALLER, patience=PATIENCE)
        assert f"IN IP6 {HERE}" in call.description
        patient = Caller(call, settings.files.prompts / "build" / "nb")
        await patient.hears("ask_identity")
        await patient.keys(synthetic_identity(761))
        receipt = await patient.hears("received")
        await patient.hangs_up()
    assert receipt.score > 0.97
    async with exchange.agent() as agent:
        found = (await agent.get("/callbacks", params={"department": "kirurgi"})).raise_for_status().json()["items"]
        [callback] = [each for each in found if each["phone"] == CALLER]
        person = (await agent.get(f"/callbacks/{callback['id']}/patient")).raise_for_status().json()
    assert person["number"] == synthetic_identity(761)


async def test_agent_and_patient_hear_each_other(exchange: Exchange) -> None:
    port, password = exchange.system.settings.sip.port, exchange.system.asterisk.instance.passwords["demo-phone"]
    async with (
        Phone(HERE, port, user="demo-phone", password=password) as desk_phone,
        Phone(HERE, port, user="patient", own_port=exchange.patient_port) as patient,
        exchange.agent() as agent,
    ):
        await desk_phone.register()
        case = await Case.claimed(agent, "+4768050762")
        await case.dial()
        at_desk = await soon(desk_phone.answer())
        at_home = await soon(patient.answer())
        await case.state("bridged")
        for side, other in ((at_desk, at_home), (at_home, at_desk)):
            heard_before = len(other.heard.samples())
            side.stream.say(VOICE)
            async with asyncio.timeout(PATIENCE):
                while not loud(other, heard_before):  # noqa: ASYNC110  # sound has no event
                    await asyncio.sleep(0.1)
        await at_desk.hang_up()
        assert await case.ended() == "answered"
        await desk_phone.register(seconds=0)


def loud(call: PhoneCall, first: int) -> bool:
    return any(abs(sample) > 500 for sample in call.heard.samples(first))
