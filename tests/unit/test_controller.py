"""One task for each call: its outcome, whatever the caller, the conversation or Asterisk does."""

import asyncio
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from desk.callbacks.model import CallKey, IncompleteStep, WhyEnded
from desk.database.errors import StorageUnavailable
from ivr.asterisk.errors import AriUnavailable, ChannelGone
from ivr.asterisk.events import (
    ChannelDestroyed,
    ChannelDtmfReceived,
    ChannelHangupRequest,
    RecordingEnded,
    StasisEnd,
    StasisStart,
)
from ivr.calls.call import Call
from ivr.dialogue.caller import too_many_callers
from ivr.rehearsal.line import FakeChannel
from ivr.rehearsal.virtual_time import on_virtual_time
from tests.support.fakes import FakeClock
from tests.support.phone.controller import NUMBER, FakeAsterisk, running, start, wait_for_keys
from tests.support.phone.dialogue import FakeDesk
from tests.support.phone.phone_door import NotingDesk


@on_virtual_time
async def test_finished_conversation_hangs_up() -> None:
    async def conversation(call: Call, desk: Any, department: Any) -> None:
        assert department.slug == "kirurgi"
        assert call.key == CallKey("asterisk-1", "1.1")
        assert call.caller.number == NUMBER
        await call.play("received")

    async with running(conversation) as (controller, asterisk, desk):
        await asyncio.sleep(0.5)  # between two rounds of the time limits
        controller.route(start())
        await asyncio.sleep(5)
        assert asterisk.lines["1.1"].hung_up
        assert asterisk.lines["1.1"].requests == ["set_rescue", "play", "hangup"]
        assert controller.calls == 0
        assert desk.incomplete == []


@pytest.mark.parametrize("event", [ChannelHangupRequest, ChannelDestroyed, StasisEnd])
def test_hang_up_is_stored_once_with_number_and_step(event: Any) -> None:
    @on_virtual_time
    async def scenario() -> None:
        async with running(wait_for_keys) as (controller, _, desk):
            controller.route(start())
            await asyncio.sleep(5)
            for ending in (event, StasisEnd, ChannelDestroyed, event):
                controller.route(ending("1.1"))
            await asyncio.sleep(1)
            assert desk.incomplete == [(CallKey("asterisk-1", "1.1"), "kirurgi", NUMBER, IncompleteStep.IDENTITY)]
            assert controller.calls == 0

    scenario()


@pytest.mark.parametrize(
    ("presentation", "number", "kept"),
    [
        ("allowed_not_screened", NUMBER, NUMBER),
        ("prohib_not_screened", NUMBER, None),
        ("prohib_passed_screen", NUMBER, None),
        ("prohib", NUMBER, None),
        ("unavailable", NUMBER, None),
        ("allowed", "anonymous", None),
        ("allowed", None, None),
    ],
)
def test_withheld_number_is_not_stored(presentation: str, number: str | None, kept: str | None) -> None:
    @on_virtual_time
    async def scenario() -> None:
        async with running(wait_for_keys) as (controller, _, desk):
            controller.route(start("1.1", "kirurgi", "nb", presentation, number=number))
            await asyncio.sleep(1)
            controller.route(ChannelDestroyed("1.1"))
            await asyncio.sleep(1)
            assert [phone for _, _, phone, _ in desk.incomplete] == [kept]

    scenario()


@on_virtual_time
async def test_recording_that_asterisk_could_not_write_is_an_error_in_the_log() -> None:
    async with running(wait_for_keys) as (controller, _, _desk):
        with capture_logs() as logs:
            controller.route(RecordingEnded("1.1", "innringing-7", failed=False))
            controller.route(RecordingEnded("1.1", "innringing-7", failed=True))
        found = [(log["log_level"], log["event"], log["recording"]) for log in logs if "recording" in log]
        assert found == [("error", "Asterisk could not write a recording", "innringing-7")]


@on_virtual_time
async def test_crashed_conversation_goes_to_the_switchboard_and_affects_no_other() -> None:
    async def conversation(call: Call, *_: Any) -> None:
        if call.key.channel_id == "1.1":
            raise ZeroDivisionError("01015012345 was keyed")
        await call.collect(digits=1, first=50, between=50)

    async with running(conversation) as (controller, asterisk, _):
        controller.route(start("1.2"))
        with capture_logs() as logs:
            controller.route(start("1.1"))
            await asyncio.sleep(1)
        assert asterisk.lines["1.1"].left_to == ("switchboard", "s")
        assert controller.calls == 1
        error = next(log for log in logs if log["event"] == "A conversation failed")
        assert error["error"] == "ZeroDivisionError"
        assert error["where"].startswith("test_controller.py:")
        assert error["error_id"]
        assert "01015012345" not in str(logs)
        controller.route(ChannelDtmfReceived("1.2", "1"))
        await asyncio.sleep(1)
        assert asterisk.lines["1.2"].hung_up


@on_virtual_time
async def test_press_that_asterisk_reports_twice_counts_once() -> None:
    collected: list[str] = []

    async def conversation(call: Call, *_: Any) -> None:
        collected.append((await call.collect(digits=4, first=5, between=5)).digits)

    async with running(conversation) as (controller, _, _):
        controller.route(start("1.1"))
        for digit, ended_at in (("8", 43.46), ("8", 43.49), ("8", 43.70), ("7", 43.94), ("7", 43.97), ("0", 44.18)):
            controller.route(ChannelDtmfReceived("1.1", digit, ended_at, 0.12))
        await asyncio.sleep(1)
    assert collected == ["8870"]


@on_virtual_time
async def test_unknown_department_or_missing_arguments_go_to_the_switchboard() -> None:
    async with running(wait_for_keys) as (controller, asterisk, _):
        controller.route(start("1.1", "finnes_ikke", "nb"))
        controller.route(StasisStart("asterisk-1", "1.2", (), None))
        await asyncio.sleep(1)
        assert [asterisk.lines[line].left_to for line in ("1.1", "1.2")] == [("switchboard", "s")] * 2


@on_virtual_time
async def test_failure_to_store_an_incomplete_call_stops_nothing() -> None:
    for failure in (StorageUnavailable(), RuntimeError("01015012345")):
        with capture_logs() as logs:
            async with running(wait_for_keys, desk=NotingDesk(failing=failure)) as (controller, _asterisk, _):
                controller.route(start("1.1"))
                await asyncio.sleep(1)
                controller.route(ChannelDestroyed("1.1"))
                await asyncio.sleep(1)
                assert controller.calls == 0
        assert "Could not record an incomplete call" in [log["event"] for log in logs]
        assert "01015012345" not in str(logs)


@on_virtual_time
async def test_repeated_start_event_is_one_call() -> None:
    async with running(wait_for_keys) as (controller, _, desk):
        controller.route(start())
        controller.route(start())
        await asyncio.sleep(1)
        assert controller.calls == 1
        controller.route(ChannelDestroyed("1.1"))
        controller.route(start())
        await asyncio.sleep(1)
        assert controller.calls == 1
        assert len(desk.incomplete) == 1


@on_virtual_time
async def test_time_limit_is_extended_while_the_caller_is_served() -> None:
    async with running(wait_for_keys) as (controller, asterisk, _):
        controller.route(start())
        rescue_at = asyncio.get_running_loop().time() + 3  # the dialplan's own
        for _ in range(200):
            await asyncio.sleep(1)
            rescue_at = asterisk.lines["1.1"].rescue_at or rescue_at
            assert 2.5 < rescue_at - asyncio.get_running_loop().time() <= 7
        assert 40 <= asterisk.lines["1.1"].requests.count("set_rescue") <= 102


@on_virtual_time
async def test_time_limit_covers_a_long_playback_and_is_not_set_during_it() -> None:
    async def conversation(call: Call, *_: Any) -> None:
        await call.play("welcome")
        await call.play("received", "we_ring")
        await call.collect(digits=1, first=50, between=50)

    async with running(conversation, lengths={"nb/welcome": 60.0, "nb/received": 5.0, "nb/we_ring": 4.0}) as world:
        controller, asterisk, _ = world
        line = asterisk.channel("1.1")
        line.durations = {"welcome": 60.0, "received": 5.0, "we_ring": 4.0}
        await asyncio.sleep(0.5)
        controller.route(start())
        for _ in range(58):
            await asyncio.sleep(1)
            assert [each for each in line.requests if each != "playing"] == ["set_rescue", "play"]
            assert line.rescue_at is not None and line.rescue_at - asyncio.get_running_loop().time() >= 7
        await asyncio.sleep(4)
        asked = [each for each in line.requests if each != "playing"]
        assert asked == ["set_rescue", "play", "set_rescue", "play"]
        await asyncio.sleep(20)
        assert 2.5 < line.rescue_at - asyncio.get_running_loop().time() <= 7, "as short as before, once nothing plays"


@on_virtual_time
async def test_shorter_time_limit_never_arrives_behind_that_of_a_long_playback() -> None:
    async def conversation(call: Call, *_: Any) -> None:
        await call.play("welcome")

    class Slow(FakeAsterisk):
        def channel(self, channel_id: str) -> FakeChannel:
            line = super().channel(channel_id)
            line.rescue_takes = [1.5, 0.1]
            return line

    async with running(conversation, Slow(), lengths={"nb/welcome": 60.0}) as (controller, asterisk, _):
        controller.route(start())  # at the moment in which the limits of all calls are renewed
        await asyncio.sleep(5)
        rescue_at = asterisk.lines["1.1"].rescue_at
        assert rescue_at is not None and rescue_at >= 60


@on_virtual_time
async def test_time_limit_runs_out_when_the_conversation_is_stuck() -> None:
    async def stuck(call: Call, *_: Any) -> None:
        await call.play("welcome")
        await asyncio.sleep(500)

    async with running(stuck) as (controller, asterisk, _):
        controller.route(start())
        await asyncio.sleep(100)
        rescue_at = asterisk.lines["1.1"].rescue_at
        assert rescue_at is not None
        assert rescue_at < 20
        controller.route(StasisEnd("1.1"))


@on_virtual_time
async def test_a_time_limit_that_finds_the_channel_gone_ends_the_call() -> None:
    async with running(wait_for_keys) as (controller, asterisk, desk):
        controller.route(start())
        await asyncio.sleep(1)
        asterisk.lines["1.1"].failing["set_rescue"] = AriUnavailable()
        await asyncio.sleep(60)
        assert controller.calls == 1
        asterisk.lines["1.1"].failing["set_rescue"] = ChannelGone()
        await asyncio.sleep(20)
        assert controller.calls == 0
        assert len(desk.incomplete) == 1


@on_virtual_time
async def test_asterisk_lost_during_a_conversation_leaves_the_call_for_later() -> None:
    asterisk = FakeAsterisk()
    line = asterisk.channel("1.1")

    async def conversation(call: Call, *_: Any) -> None:
        with call.at(IncompleteStep.PHONE):
            await call.play("welcome")

    async with running(conversation, asterisk) as (controller, _, desk):
        line.failing = {"play": AriUnavailable(), "leave": AriUnavailable()}
        controller.route(start())
        await asyncio.sleep(1)
        assert controller.calls == 0
        assert [step for *_, step in desk.incomplete] == [IncompleteStep.PHONE]


@on_virtual_time
async def test_call_is_recorded_when_it_arrives_and_not_only_when_it_ends() -> None:
    async with running(wait_for_keys) as (controller, _, desk):
        controller.route(start())
        controller.route(start("1.2", "finnes_ikke", "nb"))
        await asyncio.sleep(0.1)
        assert desk.arrived == [
            (CallKey("asterisk-1", "1.1"), "kirurgi", NUMBER),
            (CallKey("asterisk-1", "1.2"), "finnes_ikke", NUMBER),
        ]
        assert [department for _, department, *_ in desk.incomplete] == ["finnes_ikke"]
        controller.route(ChannelDestroyed("1.1"))


@on_virtual_time
async def test_arrival_names_the_version_of_the_prompts() -> None:
    folders = iter(["innringing/3f9a1c2b77de", "innringing"])
    async with running(wait_for_keys, sounds=lambda: next(folders)) as (controller, _, desk):
        controller.route(start())
        controller.route(start("1.2"))
        await asyncio.sleep(0.1)
        assert desk.prompts == ["3f9a1c2b77de", None]
        controller.route(ChannelDestroyed("1.1"))
        controller.route(ChannelDestroyed("1.2"))


@on_virtual_time
async def test_caller_above_the_limit_hears_so_goes_to_the_switchboard_and_leaves_a_trace() -> None:
    asterisk = FakeAsterisk()
    for id in ("1.5", "1.6"):
        asterisk.present[id] = start(id)
    crowded = partial(too_many_callers, callers=FakeDesk(FakeClock()))
    async with running(wait_for_keys, asterisk, most_calls=2, crowded=crowded) as (controller, _, desk):
        assert controller.calls == 2, "recovered callers are served"
        controller.route(start("1.7"))
        controller.route(start("1.8", "kirurgi", "nb", "allowed", "unanswered"))
        await asyncio.sleep(10)
        line = asterisk.lines["1.7"]
        assert line.prompts == ["many_callers", "to_switchboard"]
        assert line.left_to == ("switchboard", "s")
        assert desk.incomplete == [(CallKey("asterisk-1", "1.7"), "kirurgi", NUMBER, IncompleteStep.WELCOME)]
        assert desk.why == [WhyEnded.CROWDED]
        assert controller.calls == 3, "a caller whom the switchboard did not answer is served"
        for id in ("1.5", "1.6", "1.8"):
            controller.route(ChannelDestroyed(id))
        await asyncio.sleep(1)
        controller.route(start("1.9"))
        await asyncio.sleep(1)
        assert asterisk.lines["1.9"].prompts == [], "there is room again"
        controller.route(ChannelDestroyed("1.9"))
