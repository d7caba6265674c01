"""The traps of aioari. Plain aioari must fail each scenario that our own client passes."""

import asyncio
import json
import urllib.parse
from typing import Any

import pytest
from structlog.testing import capture_logs

from ivr.asterisk import errors
from ivr.asterisk.ari import Ari, aioari
from ivr.asterisk.events import WANTED
from ivr.asterisk.websocket import RESPONSE
from ivr.calls.call import Call
from tests.support.phone.fake_ari import USER, FakeAri, channel_json, serving
from tests.support.phone.phone_door import open_door, until
from tests.support.phone.plain_aioari import LITTLE, nothing, one_prompt, silence, stock, stock_running


@pytest.mark.parametrize("politely", [True, False])
async def test_trap_01_run_returns_silently_when_the_socket_closes(politely: bool) -> None:
    async def lose(fake: FakeAri) -> None:
        await fake.close_socket() if politely else fake.drop()

    async def ours(fake: FakeAri) -> bool:
        answered: list[str] = []

        async def conversation(call: Call, *_: Any) -> None:
            answered.append(call.key.channel_id)

        async with open_door(fake, conversation) as door:
            for number in range(1, 4):
                await lose(fake)
                await until(lambda number=number: fake.connections == number + 1 and door.ari.connected)
            await fake.call_in("1.1", "kirurgi", "nb", "allowed")
            await until(lambda: answered)
        return bool(answered)

    async def plain(fake: FakeAri) -> bool:
        answered: list[dict[str, Any]] = []
        async with stock(fake) as client:
            client.on_event("StasisStart", answered.append)
            async with stock_running(fake, client) as running:
                await lose(fake)
                await until(running.done)
                assert running.exception() is None  # silently
                await fake.call_in("1.1", "kirurgi", "nb", "allowed")
                await asyncio.sleep(LITTLE)
        return bool(answered)

    async with serving() as fake:
        assert await ours(fake)
    async with serving() as fake:
        assert not await plain(fake)


async def test_trap_01_asterisk_restarting_never_ends_the_controller() -> None:
    async with serving() as fake, open_door(fake, one_prompt) as door:
        await fake.call_in("1.1", "kirurgi", "nb", "allowed")
        await until(lambda: fake.made("DELETE /channels/1.1"))
        await fake.stop()
        await until(lambda: not door.ari.connected)
        await asyncio.sleep(0.3)
        await fake.start()
        await until(lambda: door.ari.connected)
        await fake.call_in("2.1", "kirurgi", "nb", "allowed")
        await until(lambda: fake.made("DELETE /channels/2.1"))


async def test_trap_02_a_dialogue_in_a_listener_never_hears_that_its_prompt_ended() -> None:
    async def ours(fake: FakeAri) -> bool:
        ended = asyncio.Event()

        async def conversation(call: Call, *_: Any) -> None:
            await call.play("welcome")
            ended.set()

        async with open_door(fake, conversation):
            await fake.call_in("1.1", "kirurgi", "nb", "allowed")
            await until(ended.is_set)
        return ended.is_set()

    async def plain(fake: FakeAri) -> bool:
        ended = asyncio.Event()

        async def dialogue(channels: Any, event: Any) -> None:
            await channels["channel"].playWithId(playbackId="p1", media="sound:welcome")
            finished = asyncio.Event()
            client.on_event("PlaybackFinished", lambda _: finished.set())
            async with asyncio.timeout(LITTLE):
                await finished.wait()
            ended.set()

        async with stock(fake) as client:
            client.on_channel_event("StasisStart", dialogue)
            client.exception_handler = lambda _: None
            async with stock_running(fake, client):
                await fake.call_in("1.1", "kirurgi", "nb", "allowed")
                await asyncio.sleep(LITTLE * 2)
        return ended.is_set()

    async with serving() as fake:
        assert await ours(fake)
    async with serving() as fake:
        assert not await plain(fake)


async def test_trap_03_listeners_of_each_call_run_at_every_event_and_are_never_removed() -> None:
    calls = [f"1.{number}" for number in range(40)]

    async def ours(fake: FakeAri) -> int:
        async with open_door(fake, silence) as door:
            for channel in calls:
                await fake.call_in(channel, "kirurgi", "nb", "allowed")
            await until(lambda: door.controller.calls == len(calls))
            for channel in calls:
                await fake.hang_up(channel)
            await until(lambda: door.controller.calls == 0)
            return door.controller.calls

    async def plain(fake: FakeAri) -> int:
        async def on_start(channels: Any, event: Any) -> None:
            channels["channel"].on_event("ChannelDtmfReceived", lambda *_: None)

        async with stock(fake) as client:
            client.on_channel_event("StasisStart", on_start)
            async with stock_running(fake, client):
                for channel in calls:
                    await fake.call_in(channel, "kirurgi", "nb", "allowed")
                await until(lambda: len(client.event_listeners.get("ChannelDtmfReceived", [])) == len(calls))
                for channel in calls:
                    await fake.hang_up(channel)
                await asyncio.sleep(LITTLE)
            return len(client.event_listeners["ChannelDtmfReceived"])

    async with serving() as fake:
        assert await ours(fake) == 0
    async with serving() as fake:
        assert await plain(fake) == len(calls)


async def test_trap_04_a_dead_socket_is_noticed() -> None:
    async with serving(answers_pings=False) as fake, open_door(fake, silence, heartbeat=0.2):
        await until(lambda: fake.connections >= 2)
    async with serving(answers_pings=False) as fake, stock(fake) as client, stock_running(fake, client) as running:
        await asyncio.sleep(LITTLE * 2)
        assert fake.pings == 0
        assert not running.done()


async def test_trap_04_a_request_that_is_never_answered_has_a_limit() -> None:
    async with serving(hanging="/channels/.*/play") as fake, open_door(fake, silence, rest_timeout=0.3) as door:
        fake.channels["1.1"] = channel_json("1.1")
        with pytest.raises(errors.AriUnavailable):
            await door.ari.channel("1.1").play("p1", ["sound:welcome"], "nb")
    async with serving(hanging="/channels/.*/play") as fake, stock(fake) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(LITTLE * 2):  # its own limit is five minutes
                await client.channels.play(channelId="1.1", media="sound:welcome")


async def test_trap_05_the_password_is_in_no_address_and_may_hold_any_character(
    caplog: pytest.LogCaptureFixture,
) -> None:
    password = "p&ss w=rd#%41"

    def addresses(fake: FakeAri) -> str:
        return " ".join(urllib.parse.unquote_plus(request.url) + request.url for request in fake.requests)

    caplog.set_level("DEBUG")
    async with serving(password=password) as fake:
        ari = Ari(base_url=fake.url, user=USER, password=password)
        with capture_logs() as logs:
            running = asyncio.create_task(ari.run(lambda _: None, nothing))
            await until(lambda: ari.connected)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert password not in addresses(fake)
        assert "api_key" not in addresses(fake)
        assert password not in caplog.text + str(logs)
    async with serving(password=password) as fake, stock(fake, password) as client:
        assert password in addresses(fake)
        with pytest.raises(aioari.client.aiohttp.WSServerHandshakeError):  # not escaped: refused
            await client.run("innringing")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, errors.AriError),
        (401, errors.AriRefused),
        (404, errors.ChannelGone),
        (405, errors.AriError),
        (409, errors.NotInStasis),
        (412, errors.WrongState),
        (413, errors.AriError),
        (422, errors.AriError),
        (451, errors.AriError),
        (500, errors.AriUnavailable),
        (503, errors.AriUnavailable),
    ],
)
async def test_trap_06_errors_are_our_own_classes(status: int, error: type[errors.AriError]) -> None:
    async with serving(statuses=[("/play/", status)]) as fake, open_door(fake, silence) as door:
        with pytest.raises(errors.AriError) as raised:
            await door.ari.channel("1.1").play("p1", ["sound:welcome"], "nb")
        assert type(raised.value) is error
    async with serving(statuses=[("/play/", status)]) as fake, stock(fake) as client:
        with pytest.raises(Exception) as theirs:
            await client.channels.playWithId(channelId="1.1", playbackId="p1", media="sound:welcome")
        assert not isinstance(theirs.value, errors.AriError)
        assert isinstance(theirs.value, TypeError) == (status in {405, 413, 451})


async def test_trap_07_the_event_filter_reaches_asterisk() -> None:
    async with serving() as fake, open_door(fake, silence):
        assert fake.allowed == {*WANTED, RESPONSE}
    async with serving() as fake, stock(fake) as client, stock_running(fake, client):
        wanted = {"allowed": [{"type": type_} for type_ in WANTED]}
        await client.applications.filter(applicationName="innringing", filter=wanted)
        assert json.loads(fake.made("PUT .*/eventFilter")[0].body) != wanted
        assert fake.allowed == frozenset()


async def test_trap_08_few_connections_and_none_kept_longer_than_by_asterisk() -> None:
    async def most_at_once(fake: FakeAri, request: Any) -> int:
        fake.delay = 0.05
        await asyncio.gather(*(request(number) for number in range(100)), return_exceptions=True)
        return fake.most_open_requests

    asterisk_keeps = 15
    async with serving() as fake, open_door(fake, silence) as door:
        assert await most_at_once(fake, lambda n: door.ari.channel(f"1.{n}").playing("p")) <= 32
        assert door.ari._client.swagger.http_client._session.connector._keepalive_timeout <= asterisk_keeps - 5
    async with serving() as fake, stock(fake) as client:
        assert await most_at_once(fake, lambda n: client.playbacks.get(playbackId="p")) > 32
        assert client.swagger.http_client.session.connector._keepalive_timeout == asterisk_keeps
