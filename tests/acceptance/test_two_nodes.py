"""Two machines behind Kamailio: calls are shared, a dial goes to the agent's phone, and either machine may die."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from ops.machine import postgres
from ops.softphone.errors import SipRefusal
from ops.softphone.phone import Phone
from tests.support.machine.systems import create_database
from tests.support.machine.two_nodes import PROXY, Nodes, two_nodes
from tests.support.phone.callers import Caller
from tests.support.phone.dial_system import PATIENCE, Case, Exchange, called, soon
from tests.support.synthetic import synthetic_identity

CALLERS = range(4)


@pytest.fixture(scope="module")
def nodes(
    prompts: None, postgres_server: postgres.Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nodes]:
    with two_nodes(tmp_path_factory.mktemp("nodes"), asyncio.run(create_database(postgres_server))) as both:
        yield both


async def talk(case: Case, desk_phone: Phone, patient: Phone) -> None:
    """The dial connects the agent's phone with the patient, and ends when the agent hangs up."""
    await case.dial()
    at_desk = await soon(desk_phone.answer())
    at_home = await soon(patient.answer())
    await case.state("bridged")
    assert called(at_home).startswith("+476805013")
    await at_desk.hang_up()
    assert await case.ended() == "answered"
    await asyncio.wait_for(at_home.ended.wait(), PATIENCE)


async def test_dial_is_made_by_the_node_where_the_agents_phone_is_registered(nodes: Nodes) -> None:
    password = nodes.one.system.asterisk.instance.passwords["demo-phone"]
    async with nodes.telephone_company() as patient:
        for n, (here, asked) in enumerate([(nodes.one, nodes.two), (nodes.two, nodes.one)]):
            port = here.system.settings.sip.port
            async with asked.agent() as agent, Phone(port=port, user="demo-phone", password=password) as desk_phone:
                await desk_phone.register()
                await talk(await Case.claimed(agent, f"+476805013{n}"), desk_phone, patient)
                await desk_phone.register(seconds=0)


async def test_dial_to_a_phone_that_is_registered_nowhere_ends_with_that_reason(nodes: Nodes) -> None:
    async with nodes.one.agent() as agent:
        case = await Case.claimed(agent, "+4768050134")
        await case.dial()
        assert await case.ended() == "agent_unavailable"


async def test_only_the_telephone_company_calls_in_without_a_password(nodes: Nodes) -> None:
    async with Phone(PROXY, nodes.port, user="4768050135") as stranger:
        with pytest.raises(SipRefusal):
            await stranger.ring("1000", caller="+4768050135")


async def test_node_that_dies_leaves_calls_and_phones_to_the_other(nodes: Nodes) -> None:
    async with nodes.telephone_company() as company, nodes.agents_phone() as desk_phone, nodes.one.agent() as agent:
        await desk_phone.register()
        await talk(await Case.claimed(agent, "+4768050136"), desk_phone, company)
        before = await ring_in(nodes, company, 740)
        assert [channels(each) for each in (nodes.one, nodes.two)] == [len(CALLERS) // 2] * 2
        await asyncio.to_thread(nodes.two.system.asterisk.kill)
        after = await ring_in(nodes, company, 750)
        for n, caller in enumerate(after):
            await caller.keys(synthetic_identity(750 + n))
        await asyncio.gather(*(caller.hears("received") for caller in after))
        living = [caller for caller in before if not caller.call.ended.is_set()]
        assert len([caller for caller in living if "welcome" in await caller.heard()]) >= len(CALLERS) // 2
        await desk_phone.register()
        await talk(await Case.claimed(agent, "+4768050137"), desk_phone, company)


async def ring_in(nodes: Nodes, company: Phone, first: int) -> list[Caller]:
    """Let callers ring department 1000 through the proxy, until each hears the welcome."""
    prompts = nodes.one.system.settings.files.prompts / "build" / "nb"

    async def one(n: int) -> Caller:
        began = time.monotonic()
        call = await company.ring("1000", caller=f"+4768050{first + n}", patience=PATIENCE)
        print(f"answered after {time.monotonic() - began:.2f} s")
        caller = Caller(call, prompts)
        await caller.hears("welcome")
        return caller

    return list(await asyncio.gather(*(one(n) for n in CALLERS)))


def channels(node: Exchange) -> int:
    """How many calls this node's Asterisk has."""
    return len(node.ari("channels"))
