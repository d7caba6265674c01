"""Two machines behind Kamailio: calls are shared, a dial goes to the agent's phone, and either machine may die."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator

import httpx
import pytest

from ops.machine import postgres
from ops.softphone.errors import SipRefusal
from ops.softphone.phone import Phone
from tests.support.machine.system import until
from tests.support.machine.systems import create_database
from tests.support.machine.two_nodes import PROXY, SPARE, Nodes, await_proxy, sees, two_nodes
from tests.support.phone.callers import Caller
from tests.support.phone.dial_system import PATIENCE, Case, called, soon
from tests.support.synthetic import synthetic_identity

CALLERS = range(4)
HALVES = [len(CALLERS) // 2] * 2


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


async def test_nodes_log_nothing_of_signs_of_life_and_a_call_that_looks_like_one_is_refused(nodes: Nodes) -> None:
    async with Phone(PROXY, nodes.port, user="proxy") as stranger:
        with pytest.raises(SipRefusal):
            await stranger.ring("1000", caller="proxy")
    for node in (nodes.one, nodes.two):
        assert "OPTIONS" not in node.system.asterisk.instance.log.read_text("utf-8", "replace")


async def test_node_that_dies_under_load_leaves_calls_to_the_other_and_comes_back(nodes: Nodes) -> None:
    async with nodes.telephone_company() as company, nodes.agents_phone() as desk_phone, nodes.one.agent() as agent:
        interrupted = await ring_in(nodes, company, 744)
        assert split(nodes) == HALVES
        dying = {each["caller"]["number"] for each in nodes.two.ari("channels")}

        await asyncio.to_thread(nodes.two.system.asterisk.kill)
        served = await ring_in(nodes, company, 750) | {
            number: caller for number, caller in interrupted.items() if number not in dying
        }
        await are_promised(served)
        await desk_phone.register()
        await talk(await Case.claimed(agent, "+4768050137"), desk_phone, company)

        await asyncio.to_thread(nodes.two.system.asterisk.launch)
        await asyncio.to_thread(nodes.two.system.until_ivr_is_in_asterisk)
        await asyncio.to_thread(until, lambda: nodes.proxy.command("dispatcher.list").count("FLAGS: AP") == 2)
        back = await ring_in(nodes, company, 760)
        assert split(nodes) == HALVES
        await asyncio.gather(*(each.hangs_up() for each in back.values()))
        assert await waiting(agent) == sorted(served)


async def test_second_proxy_takes_over_from_a_dead_one(nodes: Nodes) -> None:
    """The telephone company calls the second address when the first does not answer, and phones register there."""
    os.killpg(nodes.proxy.pid, signal.SIGKILL)

    def all_know() -> bool:
        return all(sees(each.system, PROXY, "Unavail") for each in (nodes.one, nodes.two))

    with nodes.spare:
        async with (
            nodes.telephone_company(SPARE) as company,
            nodes.agents_phone(SPARE) as desk_phone,
            nodes.one.agent() as agent,
        ):
            served = await ring_in(nodes, company, 770)
            assert split(nodes) == HALVES
            await asyncio.gather(*(each.hangs_up() for each in served.values()))
            await desk_phone.register()
            await asyncio.to_thread(until, all_know)
            await asyncio.gather(
                *(asyncio.to_thread(await_proxy, each.system, SPARE) for each in (nodes.one, nodes.two))
            )
            await talk(await Case.claimed(agent, "+4768050138"), desk_phone, company)


async def ring_in(nodes: Nodes, company: Phone, first: int) -> dict[str, Caller]:
    """Let callers ring department 1000 through the proxy, until each hears the welcome. By their numbers."""
    prompts = nodes.one.system.settings.files.prompts / "build" / "nb"

    async def one(number: str) -> Caller:
        began = time.monotonic()
        call = await company.ring("1000", caller=number, patience=PATIENCE)
        print(f"answered after {time.monotonic() - began:.2f} s")
        caller = Caller(call, prompts)
        await caller.hears("welcome")
        return caller

    numbers = [f"+4768050{first + n}" for n in CALLERS]
    return dict(zip(numbers, await asyncio.gather(*map(one, numbers)), strict=True))


async def are_promised(callers: dict[str, Caller]) -> None:
    """Each caller keys an identity number, hears that we call back, and the call ends."""
    await asyncio.gather(*(each.keys(synthetic_identity(int(number[-3:]))) for number, each in callers.items()))
    await asyncio.gather(*(each.hears("received") for each in callers.values()))
    await asyncio.gather(*(each.hangs_up() for each in callers.values()))


async def waiting(agent: httpx.AsyncClient) -> list[str]:
    """The numbers of the callers' callbacks, as often as they are there."""
    found = (await agent.get("/callbacks", params={"limit": 200})).raise_for_status().json()["items"]
    return sorted(each["phone"] for each in found if each["phone"].startswith("+47680507"))


def split(nodes: Nodes) -> list[int]:
    """How many calls each node has."""
    return [len(each.ari("channels")) for each in (nodes.one, nodes.two)]
