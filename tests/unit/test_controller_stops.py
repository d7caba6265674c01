"""The controller stops, and another takes over its calls: no caller is lost, and none is served by two."""

import asyncio
from typing import Any

import pytest

from desk.callbacks.model import IncompleteStep
from ivr.asterisk.errors import AriTimeout, AriUnavailable
from ivr.asterisk.events import ChannelDestroyed
from ivr.calls.call import Call
from ivr.rehearsal.virtual_time import on_virtual_time
from tests.support.phone.controller import FakeAsterisk, running, start, wait_for_keys


@on_virtual_time
async def test_calls_left_by_a_dead_controller_are_resumed() -> None:
    asterisk = FakeAsterisk()
    asterisk.present = {"1.1": start("1.1"), "1.2": start("1.2", "hjerte", "nb")}
    served: list[str] = []

    async def conversation(call: Call, *_: Any) -> None:
        assert call.recovered
        served.append(call.department)
        await call.collect(digits=1, first=50, between=50)

    async with running(conversation, asterisk) as (_controller, _, _desk):
        await asyncio.sleep(5)
        assert served == ["kirurgi"]
        assert asterisk.lines["1.1"].requests[0] == "set_rescue"
        assert asterisk.lines["1.2"].left_to == ("switchboard", "s")  # a department that no longer exists


@pytest.mark.parametrize(("failure", "recovered"), [(AriTimeout(), False), (AriUnavailable(), True)])
def test_call_that_may_still_be_sent_away_is_not_recovered(failure: AriUnavailable, recovered: bool) -> None:
    @on_virtual_time
    async def scenario() -> None:
        asterisk = FakeAsterisk()
        calls: list[Call] = []

        async def conversation(call: Call, *_: Any) -> None:
            calls.append(call)
            if not call.recovered:
                asterisk.lines["1.1"].failing["leave"] = failure
                await call.to_switchboard()
            await call.collect(digits=1, first=5, between=5)

        async with running(conversation, asterisk) as (controller, _, _desk):
            controller.route(start())
            asterisk.present = {"1.1": start()}
            await asyncio.sleep(1)
            await controller.reconcile()
            await asyncio.sleep(1)
            assert [call.recovered for call in calls] == [False, True][: 1 + recovered]
            await asyncio.sleep(30)
            await controller.reconcile()
            await asyncio.sleep(1)
            assert calls[-1].recovered, "the request is too old to be carried out"

    scenario()


@on_virtual_time
async def test_stop_leaves_asterisk_at_once_and_callers_stay_on_the_line() -> None:
    asterisk = FakeAsterisk()

    async def conversation(call: Call, *_: Any) -> None:
        if call.key.channel_id == "1.1":
            await call.play("welcome")
        await call.collect(digits=1, first=300, between=1)

    asterisk.channel("1.1").durations["welcome"] = 60.0
    began = asyncio.get_running_loop().time()
    async with running(conversation, asterisk) as (controller, _, desk):
        controller.route(start("1.1"))
        controller.route(start("1.2"))
        await asyncio.sleep(1)
        asyncio.get_running_loop().call_later(0.1, controller.route, start("1.3"))
    assert asterisk.left
    assert asyncio.get_running_loop().time() - began < 3
    for line in ("1.1", "1.2"):
        assert not {"hangup", "leave", "stop"} & set(asterisk.lines[line].requests), "the successor finds the caller"
    assert "1.3" not in asterisk.lines
    assert desk.incomplete == []
    assert controller.calls == 0


@on_virtual_time
async def test_stop_finishes_a_confirmation_without_waiting_for_its_end() -> None:
    asterisk = FakeAsterisk()
    stored: list[str] = []

    async def conversation(call: Call, *_: Any) -> None:
        with call.at(IncompleteStep.CONFIRMATION):
            if call.key.channel_id == "1.2":
                await asyncio.sleep(2)  # the callback is being stored when the stop comes
            stored.append(call.key.channel_id)
            await call.play(*["received"] * 10, *["we_ring"] * 10)
        if call.attended:
            await call.collect(digits=1, first=300, between=1)

    began = asyncio.get_running_loop().time()
    async with running(conversation, asterisk) as (controller, _, desk):
        controller.route(start("1.1"))
        controller.route(start("1.2"))
        await asyncio.sleep(1)
    assert asyncio.get_running_loop().time() - began < 5, "each receipt lasts 20 seconds"
    assert stored == ["1.1", "1.2"]
    for line in ("1.1", "1.2"):
        sent = [each for each in asterisk.lines[line].requests if each in ("play", "finish", "hangup", "stop")]
        assert sent == ["play", "play", "finish"]
    assert desk.incomplete == []


@on_virtual_time
async def test_lost_calls_are_ended_after_calls_still_on_the_line_are_recovered() -> None:
    asterisk = FakeAsterisk()
    asterisk.present = {"1.1": start("1.1")}
    async with running(wait_for_keys, asterisk) as (controller, _, desk):
        assert desk.not_lost == [{"1.1"}]
        controller.route(ChannelDestroyed("1.1"))


@on_virtual_time
async def test_stop_sends_callers_to_the_standby_and_finishes_confirmations() -> None:
    asterisk = FakeAsterisk()

    async def conversation(call: Call, *_: Any) -> None:
        if call.key.channel_id == "1.1":
            with call.at(IncompleteStep.CONFIRMATION):
                await call.play("received", "change_number")
            return
        call.language = "en"
        await call.ask("ask_identity", digits=1, first=300, between=1)

    async def standby_answers() -> bool:
        return True

    async with running(conversation, asterisk, has_other_door=standby_answers) as (controller, _, _desk):
        controller.route(start("1.1"))
        controller.route(start("1.2"))
        await asyncio.sleep(0.5)
    assert asterisk.lines["1.2"].left_to == ("again", "en")
    assert asterisk.lines["1.2"].stopped, "Asterisk sends no one on who still listens to something"
    assert asterisk.lines["1.1"].left_to is None
    assert asterisk.lines["1.1"].requests[-1] == "finish"


@on_virtual_time
async def test_caller_who_was_broken_off_at_the_other_door_is_a_recovered_caller() -> None:
    recovered: list[bool] = []

    async def conversation(call: Call, *_: Any) -> None:
        recovered.append(call.recovered)

    async with running(conversation) as (controller, _, _desk):
        controller.route(start("1.1", "kirurgi", "nb", "allowed", "again"))
        controller.route(start("1.2", "kirurgi", "nb", "allowed", ""))
        await asyncio.sleep(1)
    assert recovered == [True, False]
