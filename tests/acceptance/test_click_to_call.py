"""Dials over real SIP: the agent's phone rings first, then the patient's; attempt and status are stored correctly."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from ops.softphone.phone import Phone
from tests.support.phone.dial_system import PATIENCE, Case, Exchange, called, running_exchange, shown, soon

ALL_STEPS = ["dial_requested", "dial_agent_ringing", "dial_patient_ringing", "dial_bridged", "dial_ended"]


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with running_exchange(tmp_path_factory.mktemp("exchange")) as exchange:
        yield exchange


@pytest.fixture
async def phones(exchange: Exchange) -> AsyncIterator[tuple[Phone, Phone]]:
    async with exchange.phones() as phones:
        yield phones


async def test_answered_call_connects_and_the_agent_records_the_outcome(
    exchange: Exchange, phones: tuple[Phone, Phone]
) -> None:
    desk_phone, patient = phones
    async with exchange.agent() as agent:
        case = await Case.claimed(agent, "+4768050101")
        await case.dial()
        at_desk = await soon(desk_phone.incoming())
        assert shown(at_desk) == "+4768059000"
        assert patient._ringing.empty()
        at_desk.answer()
        at_home = await soon(patient.incoming())
        assert (called(at_home), shown(at_home)) == ("+4768050101", "+4768059000")
        await case.state("patient_ringing")
        await asyncio.sleep(0.5)
        assert any(abs(sample) > 500 for sample in at_desk.heard.samples()), "the agent hears no ringing"
        at_home.answer()
        await case.state("bridged")
        await at_desk.key("5")
        await asyncio.sleep(4)
        await at_home.hang_up()
        await asyncio.wait_for(at_desk.ended.wait(), PATIENCE)
        assert await case.ended() == "answered"
        assert await case.steps() == ALL_STEPS
        callback = await case.callback()
        assert (callback["status"], callback["claimed_by"], callback["attempts"]) == ("claimed", "kari", [])
        told = await agent.post(f"/callbacks/{case.id}/attempts", json={"fence": case.fence, "outcome": "reached"})
        assert told.raise_for_status().json()["status"] == "closed"
    await exchange.nothing_is_left()


@pytest.mark.parametrize(
    ("status", "reason", "outcomes"),
    [(486, "busy", ["busy"]), (603, "busy", ["busy"]), (404, "not_in_use", []), (503, "failed", [])],
)
async def test_unreachable_patient_is_recorded_with_the_reason(
    exchange: Exchange, phones: tuple[Phone, Phone], status: int, reason: str, outcomes: list[str]
) -> None:
    desk_phone, patient = phones
    async with exchange.agent() as agent:
        case = await Case.claimed(agent, f"+4768050{status}")
        await case.dial()
        at_desk = await soon(desk_phone.answer())
        (await soon(patient.incoming())).refuse(status, "No")
        assert await case.ended() == reason
        await asyncio.wait_for(at_desk.ended.wait(), PATIENCE)
        assert await case.outcomes() == outcomes
        assert (await case.callback())["status"] == ("waiting" if outcomes else "claimed")
    await exchange.nothing_is_left()


async def test_patient_who_does_not_answer_is_recorded(exchange: Exchange, phones: tuple[Phone, Phone]) -> None:
    desk_phone, patient = phones
    async with exchange.agent() as agent:
        case = await Case.claimed(agent, "+4768050103")
        await case.dial()
        await soon(desk_phone.answer())
        at_home = await soon(patient.incoming())
        assert await case.ended() == "no_answer"
        assert await case.outcomes() == ["no_answer"]
        assert (await case.callback())["status"] == "waiting"
        await asyncio.wait_for(at_home.ended.wait(), PATIENCE)
    await exchange.nothing_is_left()


async def test_agent_who_does_not_answer_ends_the_dial(exchange: Exchange, phones: tuple[Phone, Phone]) -> None:
    desk_phone, patient = phones
    async with exchange.agent() as agent:
        case = await Case.claimed(agent, "+4768050104")
        await case.dial()
        await soon(desk_phone.incoming())
        assert await case.ended() == "agent_no_answer"
        assert (await case.callback())["status"] == "claimed"
        await case.dial()
        (await soon(desk_phone.incoming())).refuse(486)
        assert await case.ended() == "agent_unavailable"
        await desk_phone.register(seconds=0)
        await case.dial()
        assert await case.ended() == "agent_unavailable"
        assert await case.outcomes() == []
        assert patient._ringing.empty()
    await exchange.nothing_is_left()


async def test_agent_hang_up_stops_the_patients_phone(exchange: Exchange, phones: tuple[Phone, Phone]) -> None:
    desk_phone, patient = phones
    async with exchange.agent() as agent:
        case = await Case.claimed(agent, "+4768050105")
        await case.dial()
        at_desk = await soon(desk_phone.answer())
        at_home = await soon(patient.incoming())
        await at_desk.hang_up()
        assert await case.ended() == "agent_hung_up"
        await asyncio.wait_for(at_home.ended.wait(), PATIENCE)
        assert await case.outcomes() == []
        assert (await case.callback())["status"] == "claimed"
    await exchange.nothing_is_left()


async def test_patient_cut_off_goes_first_in_line(exchange: Exchange, phones: tuple[Phone, Phone]) -> None:
    desk_phone, patient = phones
    async with exchange.agent() as agent:
        case = await Case.claimed(agent, "+4768050106")
        await case.dial()
        at_desk = await soon(desk_phone.answer())
        at_home = await soon(patient.answer())
        await case.state("bridged")
        await asyncio.sleep(4)
        await at_home.hang_up(cause=38)
        assert await case.ended() == "dropped"
        await asyncio.wait_for(at_desk.ended.wait(), PATIENCE)
        assert await case.outcomes() == ["dropped"]
        callback = await case.callback()
        assert (callback["status"], callback["priority"]) == ("waiting", "urgent")
    await exchange.nothing_is_left()


async def test_dial_is_cancelled_in_each_state(exchange: Exchange, phones: tuple[Phone, Phone]) -> None:
    desk_phone, patient = phones
    async with exchange.agent() as agent:
        case = await Case.claimed(agent, "+4768050107")
        for state in ("agent_ringing", "patient_ringing", "bridged"):
            await case.dial()
            at_desk = await soon(desk_phone.incoming())
            if state != "agent_ringing":
                at_desk.answer()
                at_home = await soon(patient.incoming())
            if state == "bridged":
                at_home.answer()
            await case.state(state)
            await case.cancel()
            assert await case.ended() == "cancelled"
            await asyncio.wait_for(at_desk.ended.wait(), PATIENCE)
        await asyncio.wait_for(at_home.ended.wait(), PATIENCE)
        assert await case.outcomes() == []
        assert (await case.callback())["status"] == "claimed"
        assert (await agent.delete(f"/callbacks/{case.id}/dial")).status_code == 409
    await exchange.nothing_is_left()


async def test_second_agent_cannot_dial_a_claimed_callback(exchange: Exchange, phones: tuple[Phone, Phone]) -> None:
    desk_phone, patient = phones
    async with exchange.agent("kari") as kari, exchange.agent("ola") as ola:
        case = await Case.claimed(kari, "+4768050108")
        body = {"fence": case.fence}
        path = f"/callbacks/{case.id}/dial"
        answers = await asyncio.gather(*(client.post(path, json=body) for client in (kari, ola, kari, ola)))
        assert sorted(answer.status_code for answer in answers) == [202, 202, 409, 409]
        assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1
        assert {answer.json()["type"] for answer in answers if answer.status_code == 409} == {
            "urn:innringing:problem:claim-lost"
        }
        assert (await ola.delete(path)).json()["type"] == "urn:innringing:problem:already-claimed"
        await soon(desk_phone.answer())
        (await soon(patient.incoming())).refuse()
        assert await case.ended() == "busy"
        assert desk_phone._ringing.empty() and patient._ringing.empty()
    await exchange.nothing_is_left()


async def test_killed_controller_keeps_the_talk_and_ends_ringing_dials(
    exchange: Exchange, phones: tuple[Phone, Phone]
) -> None:
    desk_phone, patient = phones
    async with exchange.agent() as agent:
        talking = await Case.claimed(agent, "+4768050109")
        await talking.dial()
        at_desk = await soon(desk_phone.answer())
        at_home = await soon(patient.answer())
        await talking.state("bridged")
        exchange.system.ivr.kill()
        await asyncio.to_thread(exchange.system.restart_ivr)
        await asyncio.sleep(1)
        assert not at_desk.ended.is_set() and not at_home.ended.is_set(), "a talk is not disturbed"
        await at_desk.hang_up()
        assert await talking.ended() == "answered"
        await asyncio.wait_for(at_home.ended.wait(), PATIENCE)
        ringing = await Case.claimed(agent, "+4768050110")
        await ringing.dial()
        await soon(desk_phone.answer())
        at_home = await soon(patient.incoming())
        exchange.system.ivr.kill()
        await asyncio.to_thread(exchange.system.restart_ivr)
        assert await ringing.ended() == "lost"
        await asyncio.wait_for(at_home.ended.wait(), PATIENCE)
        assert await talking.outcomes() == await ringing.outcomes() == []
        assert (await ringing.callback())["status"] == "claimed"
    await exchange.nothing_is_left()


async def test_asterisk_restart_ends_the_dial(exchange: Exchange) -> None:
    async with exchange.agent() as agent:
        async with exchange.phones() as (desk_phone, patient):
            ringing = await Case.claimed(agent, "+4768050111")
            await ringing.dial()
            at_desk = await soon(desk_phone.answer())
            at_home = await soon(patient.incoming())
            await asyncio.to_thread(exchange.system.asterisk.kill)
            for call in (at_desk, at_home):
                call.end()
        await asyncio.to_thread(exchange.system.asterisk.launch)
        assert await ringing.ended() == "lost"
        assert await ringing.outcomes() == []
        assert (await ringing.callback())["status"] == "claimed"
        async with exchange.phones() as (desk_phone, patient):
            talking = await Case.claimed(agent, "+4768050112")
            await talking.dial()
            at_desk = await soon(desk_phone.answer())
            at_home = await soon(patient.answer())
            await talking.state("bridged")
            await asyncio.to_thread(exchange.system.asterisk.kill)
            for call in (at_desk, at_home):
                call.end()
        await asyncio.to_thread(exchange.system.asterisk.launch)
        assert await talking.ended() == "dropped"
        assert await talking.outcomes() == ["dropped"]
        assert (await talking.callback())["priority"] == "urgent"
    await exchange.nothing_is_left()


def test_no_number_is_in_any_log(exchange: Exchange) -> None:
    for file in [*exchange.system.folder.glob("*.said"), exchange.system.asterisk.instance.log]:
        text = file.read_text(encoding="utf-8", errors="replace")
        assert "680501" not in text and "6805048" not in text, file
