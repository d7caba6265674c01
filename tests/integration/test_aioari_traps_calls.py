"""The traps of aioari for single calls (from 9 on): shown in plain aioari, and avoided in our client."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from desk.callbacks.model import IncompleteStep
from ivr.calls.call import Call, Keys
from tests.support.phone.fake_ari import FakeAri, channel_json, serving
from tests.support.phone.phone_door import open_door, until
from tests.support.phone.plain_aioari import LITTLE, one_prompt, stock, stock_running


async def test_trap_09_a_playback_that_ends_before_it_is_answered_is_not_missed() -> None:
    async def ours(fake: FakeAri) -> None:
        async with open_door(fake, one_prompt):
            await fake.call_in("1.1", "kirurgi", "nb", "allowed")
            await until(lambda: fake.made("DELETE /channels/1.1"), 5)

    async def plain(fake: FakeAri) -> None:
        finished = asyncio.Event()
        async with stock(fake) as client, stock_running(fake, client):
            await fake.call_in("1.1", "kirurgi", "nb", "allowed")
            playback = await client.channels.play(channelId="1.1", media="sound:welcome")
            playback.on_event("PlaybackFinished", lambda *_: finished.set())
            async with asyncio.timeout(LITTLE):
                await finished.wait()

    async with serving(ends_playback_before_answering=True) as fake:
        await ours(fake)
        assert fake.made("POST /channels/1.1/play/.+")  # the id is chosen here
    async with serving(ends_playback_before_answering=True) as fake:
        with pytest.raises(TimeoutError):
            await plain(fake)


async def test_trap_10_a_failed_playback_is_recognised() -> None:
    async with serving(playback_state="failed") as fake, open_door(fake, one_prompt):
        with capture_logs() as logs:
            await fake.call_in("1.1", "kirurgi", "nb", "allowed")
            await until(lambda: fake.made("DELETE /channels/1.1"))
        assert [log["prompts"] for log in logs if log["log_level"] == "error"] == [("welcome",)]
    async with serving(playback_state="failed") as fake, stock(fake) as client, stock_running(fake, client):
        fake.channels["1.1"] = channel_json("1.1")
        finished = asyncio.Event()
        with capture_logs() as logs:
            client.on_playback_event("PlaybackFinished", lambda *_: finished.set())
            await client.channels.playWithId(channelId="1.1", playbackId="p1", media="sound:welcome")
            await until(finished.is_set)
        assert logs == []  # as if it had been heard


async def test_trap_11_a_digit_is_kept_when_the_prompt_it_stops_has_just_ended() -> None:
    async def ours(fake: FakeAri) -> str:
        keyed: list[Keys] = []

        async def conversation(call: Call, *_: Any) -> None:
            keyed.append(await call.ask("welcome", digits=2, first=5, between=5))

        async with open_door(fake, conversation):
            await fake.call_in("1.1", "kirurgi", "nb", "allowed")
            await until(lambda: fake.made("POST .*/play/"))
            await fake.press("1.1", "12")
            await until(lambda: keyed)
        return keyed[0].digits

    async def plain(fake: FakeAri) -> str:
        keyed: list[str] = []

        async def on_digit(channel: Any, event: Any) -> None:
            await playback.stop()
            keyed.append(event["digit"])

        async with stock(fake) as client, stock_running(fake, client):
            fake.channels["1.1"] = channel_json("1.1")
            playback = await client.channels.playWithId(channelId="1.1", playbackId="p1", media="sound:welcome")
            client.exception_handler = lambda _: None
            client.on_channel_event("ChannelDtmfReceived", on_digit)
            await fake.press("1.1", "12")
            await asyncio.sleep(LITTLE)
        return "".join(keyed)

    ended = {"playing_time": 30.0, "statuses": [("DELETE /playbacks/", 404), ("POST /playbacks/", 404)]}
    async with serving(**ended) as fake:
        assert await ours(fake) == "12"
        assert len(fake.made("POST /playbacks/.*/control")) == 1
    async with serving(**ended) as fake:
        assert await plain(fake) == ""


async def test_trap_12_a_hang_up_ends_a_call_once_and_cuts_no_write() -> None:
    async def ours(fake: FakeAri) -> tuple[list[str], int]:
        written: list[str] = []

        async def conversation(call: Call, *_: Any) -> None:
            with call.at(IncompleteStep.CONFIRMATION):
                await fake.hang_up("1.1")
                await asyncio.sleep(0.1)  # the commit
                written.append("registered")
                await call.play("received")

        async with open_door(fake, conversation) as door:
            await fake.call_in("1.1", "kirurgi", "nb", "allowed")
            await until(lambda: door.desk.incomplete)
            await until(lambda: door.controller.calls == 0)
            assert door.desk.incomplete[0][3] is IncompleteStep.CONFIRMATION
            return written, len(door.desk.incomplete)

    async def plain(fake: FakeAri) -> tuple[list[str], int]:
        written: list[str] = []
        endings: list[str] = []

        async def dialogue() -> None:
            await fake.hang_up("1.1")
            await asyncio.sleep(0.1)
            written.append("registered")

        def on_end(channel: Any, event: Any) -> None:
            endings.append(event["type"])
            tasks[0].cancel()

        tasks: list[asyncio.Task[None]] = []
        async with stock(fake) as client, stock_running(fake, client):
            client.on_channel_event("StasisStart", lambda *_: tasks.append(asyncio.create_task(dialogue())))
            for type_ in ("StasisEnd", "ChannelDestroyed"):
                client.on_channel_event(type_, on_end)
            await fake.call_in("1.1", "kirurgi", "nb", "allowed")
            await until(lambda: len(endings) == 2)
            await asyncio.gather(*tasks, return_exceptions=True)
        return written, len(endings)

    async with serving() as fake:
        assert await ours(fake) == (["registered"], 1)
    async with serving() as fake:
        assert await plain(fake) == ([], 2)


async def test_trap_12_leaving_the_application_is_not_hanging_up() -> None:
    async def to_switchboard(call: Call, *_: Any) -> None:
        await call.to_switchboard()

    async with serving() as fake, open_door(fake, to_switchboard) as door:
        await fake.call_in("1.1", "kirurgi", "nb", "allowed")
        await until(lambda: fake.made("POST /channels/1.1/continue"))
        await until(lambda: door.controller.calls == 0)
        assert door.desk.incomplete == []
        assert not fake.made("DELETE /channels/")
        await fake.call_in("1.1", "kirurgi", "nb", "allowed")  # the switchboard sends the caller back
        await until(lambda: len(fake.made("POST /channels/1.1/continue")) == 2)


async def test_trap_13_a_start_event_names_one_channel() -> None:
    async def ours(fake: FakeAri) -> list[str]:
        ids: list[str] = []

        async def conversation(call: Call, *_: Any) -> None:
            ids.append(call.key.channel_id)

        async with open_door(fake, conversation):
            await fake.call_in("1.1", "kirurgi", "nb", "allowed")
            await until(lambda: ids)
        return ids

    async def plain(fake: FakeAri) -> list[str]:
        ids: list[str] = []
        problems: list[Exception] = []
        async with stock(fake) as client, stock_running(fake, client):
            client.exception_handler = problems.append
            client.on_channel_event("StasisStart", lambda channel, _: ids.append(channel.id))
            await fake.call_in("1.1", "kirurgi", "nb", "allowed")
            await until(lambda: problems)
        assert isinstance(problems[0], AttributeError)  # 'dict' object has no attribute 'id'
        return ids

    async with serving() as fake:
        assert await ours(fake) == ["1.1"]
    async with serving() as fake:
        assert await plain(fake) == []


async def test_trap_14_department_and_language_need_no_request() -> None:
    heard: list[Call] = []

    async def conversation(call: Call, *_: Any) -> None:
        heard.append(call)
        await call.play("welcome")

    async with serving() as fake, open_door(fake, conversation):
        await until(lambda: fake.made("GET /applications/"))  # the last request of a new connection
        before = len(fake.requests)
        await fake.call_in("1.1", "kirurgi", "nn", "prohib_not_screened")
        await until(lambda: fake.made("DELETE /channels/1.1"))
        assert (heard[0].department, heard[0].language) == ("kirurgi", "nn")
        assert heard[0].caller.withheld
        assert heard[0].caller.number is None
        made = [f"{request.method} {request.path.rpartition('/')[0]}" for request in fake.requests[before:]]
        assert list(dict.fromkeys(made)) == ["POST /channels/1.1", "POST /channels/1.1/play", "DELETE /channels"]
    async with serving() as fake, stock(fake) as client, stock_running(fake, client):
        before = len(fake.requests)
        fake.channels["1.1"] = channel_json("1.1")
        channel = await client.channels.get(channelId="1.1")
        await client.channels.getChannelVar(channelId=channel["id"], variable="DEPARTMENT")
        await client.channels.getChannelVar(channelId=channel["id"], variable="CHANNEL(language)")
        assert len(fake.requests) - before == 3
