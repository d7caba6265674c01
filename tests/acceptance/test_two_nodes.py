"""Two machines with an Asterisk each: a dial goes to the one where the agent's phone is registered."""

import asyncio
from collections.abc import Iterator

import pytest

from ops.machine import postgres
from tests.support.machine.systems import create_database
from tests.support.machine.two_nodes import two_nodes
from tests.support.phone.dial_system import PATIENCE, Case, Exchange, called, soon


@pytest.fixture(scope="module")
def nodes(
    prompts: None, postgres_server: postgres.Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Exchange, Exchange]]:
    with two_nodes(tmp_path_factory.mktemp("nodes"), asyncio.run(create_database(postgres_server))) as both:
        yield both


async def test_dial_is_made_by_the_node_where_the_agents_phone_is_registered(
    nodes: tuple[Exchange, Exchange],
) -> None:
    for n, (phones_at, asked_at) in enumerate([nodes, nodes[::-1], nodes, nodes[::-1]]):
        async with asked_at.agent() as agent, phones_at.phones() as (desk_phone, patient):
            case = await Case.claimed(agent, f"+476805013{n}")
            await case.dial()
            at_desk = await soon(desk_phone.answer())
            at_home = await soon(patient.answer())
            await case.state("bridged")
            assert called(at_home) == f"+476805013{n}"
            await at_desk.hang_up()
            assert await case.ended() == "answered"
            await asyncio.wait_for(at_home.ended.wait(), PATIENCE)
            await desk_phone.register(seconds=0)


async def test_dial_to_a_phone_that_is_registered_nowhere_ends_with_that_reason(
    nodes: tuple[Exchange, Exchange],
) -> None:
    async with nodes[0].agent() as agent:
        case = await Case.claimed(agent, "+4768050138")
        await case.dial()
        assert await case.ended() == "agent_unavailable"
