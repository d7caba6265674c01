"""The traps of aioari, each with what plain aioari does in the same scenario: it must fail what ours passes."""

import asyncio
import json
import urllib.parse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from desk.callbacks import IncompleteStep
from ivr import errors
from ivr.ari import Ari, aioari
from ivr.call import Call, Keys
from ivr.events import WANTED
from tests.fake_ari import PASSWORD, USER, FakeAri, channel_json, serving
from tests.phone_door import Door, open_door, until

LITTLE = 0.5  # seconds given to plain aioari for what ours does at once


@asynccontextmanager
async def stock(fake: FakeAri, password: str = PASSWORD) -> AsyncIterator[Any]:
    """A client as aioari's own documentation makes it, not yet running."""
    client = await aioari.connect(fake.url, USER, password)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def stock_running(fake: FakeAri, client: Any) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(client.run("innringing"))
    await until(lambda: fake.connections or task.done())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def silence(call: Call, *_: Any) -> None:
    """A conversation that waits for keys until the caller is gone."""
    await call.collect(digits=99, first=60, between=60)


async def one_prompt(call: Call, *_: Any) -> None:
    await call.play("welcome")


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


async def test_trap_03_listeners_for_each_call_are_asked_at_every_event_and_stay_for_ever() -> None:
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
            running = asyncio.create_task(ari.run(lambda _: None, _nothing))
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
async def test_trap_06_errors_are_ours(status: int, error: type[errors.AriError]) -> None:
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
        assert fake.allowed == frozenset(WANTED)
    async with serving() as fake, stock(fake) as client, stock_running(fake, client):
        wanted = {"allowed": [{"type": type_} for type_ in WANTED]}
        await client.applications.filter(applicationName="innringing", filter=wanted)
        assert json.loads(fake.made("PUT .*/eventFilter")[0].body) != wanted
        assert fake.allowed == frozenset()


async def test_trap_08_few_connections_and_none_kept_longer_than_asterisk_keeps_them() -> None:
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


async def test_trap_10_a_failed_playback_is_told_apart() -> None:
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

    ended = {"playing_time": 30.0, "statuses": [("DELETE /playbacks/", 404)]}
    async with serving(**ended) as fake:
        assert await ours(fake) == "12"
        assert len(fake.made("DELETE /playbacks/")) == 1
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


async def test_trap_13_a_start_tells_one_channel() -> None:
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


async def test_trap_14_department_and_language_cost_no_request() -> None:
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
        assert made == ["POST /channels/1.1/play", "DELETE /channels"]
    async with serving() as fake, stock(fake) as client, stock_running(fake, client):
        before = len(fake.requests)
        fake.channels["1.1"] = channel_json("1.1")
        channel = await client.channels.get(channelId="1.1")
        await client.channels.getChannelVar(channelId=channel["id"], variable="DEPARTMENT")
        await client.channels.getChannelVar(channelId=channel["id"], variable="CHANNEL(language)")
        assert len(fake.requests) - before == 3


BAD_MESSAGES = [
    "",
    "{",
    "null",
    "[]",
    "1",
    '"StasisStart"',
    '{"type": 1}',
    '{"type": ["StasisStart"]}',
    "[" * 100_000,
    b"\x00\xff",
    '{"type": "StasisStart", "x": "' + "x" * (5 << 20) + '"}',
]


@pytest.mark.parametrize("message", BAD_MESSAGES, ids=range(len(BAD_MESSAGES)))
async def test_malformed_and_oversized_events_are_skipped(message: str | bytes) -> None:
    async with serving() as fake, open_door(fake, one_prompt):
        await fake.send(message)
        await fake.call_in("1.1", "kirurgi", "nb", "allowed")
        await until(lambda: fake.made("DELETE /channels/1.1"))
        assert fake.connections == 1


async def test_plain_aioari_dies_of_malformed_and_oversized_events() -> None:
    for message in ("{", BAD_MESSAGES[-1]):
        async with serving() as fake, stock(fake) as client, stock_running(fake, client) as running:
            await fake.send(message)
            await until(running.done)


async def test_a_wrong_password_is_one_clear_error() -> None:
    async with serving(password="another") as fake:
        ari = Ari(base_url=fake.url, user=USER, password=PASSWORD)
        with pytest.raises(errors.AriRefused, match="INNRINGING_ARI_PASSWORD") as refused:
            await ari.run(lambda _: None, _nothing)
        assert PASSWORD not in str(refused.value)


async def test_a_password_changed_later_is_waited_out() -> None:
    async with serving() as fake, open_door(fake, silence) as door:
        fake.password = "another"
        fake.drop()
        await until(lambda: not door.ari.connected)
        refused = len(fake.requests)
        await until(lambda: len(fake.requests) > refused + 2)
        fake.password = PASSWORD
        await until(lambda: door.ari.connected)


async def test_asterisk_may_start_after_us() -> None:
    async with serving(statuses=[("/api-docs/resources.json", 404)]) as fake:
        async with serving() as free:
            pass
        late = FakeAri(port=free.port)
        for asterisk, begin in ((fake, fake.statuses.clear), (late, late.start)):
            ari = Ari(base_url=asterisk.url, user=USER, password=PASSWORD)
            running = asyncio.create_task(ari.run(lambda _: None, _nothing))
            await asyncio.sleep(0.3)
            assert not ari.connected
            started = begin()
            if started:
                await started
            await until(lambda ari=ari: ari.connected)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        await late.stop()


async def test_a_second_controller_ends_the_first_and_nobody_is_dropped() -> None:
    async with serving() as fake, open_door(fake, silence) as first:
        await fake.call_in("1.1", "kirurgi", "nb", "allowed")
        await until(lambda: first.controller.calls == 1)
        served: list[str] = []

        async def conversation(call: Call, *_: Any) -> None:
            served.append(call.key.channel_id)

        async with open_door(fake, conversation):
            with pytest.raises(ExceptionGroup) as ended:
                await asyncio.wait_for(asyncio.shield(first.serving), 10)
            assert ended.group_contains(errors.AriReplaced)
            await until(lambda: served == ["1.1"])
        assert fake.connections == 2


async def test_calls_found_after_a_reconnect_are_taken_up_and_lost_ones_are_ended() -> None:
    async def conversation(call: Call, *_: Any) -> None:
        with call.at(IncompleteStep.IDENTITY):
            await silence(call)

    async with serving() as fake, open_door(fake, conversation) as door:
        for channel in ("1.1", "1.2"):
            await fake.call_in(channel, "kirurgi", "nb", "allowed")
        await until(lambda: door.controller.calls == 2)
        kept = _tasks(door)["1.1"]
        fake.channels["1.3"] = channel_json("1.3", ("kirurgi", "nb", "allowed"))  # its start was never heard
        fake.channels["1.4"] = {**channel_json("1.4"), "dialplan": {"app_name": "Dial", "app_data": "x"}}
        del fake.channels["1.2"]
        fake.drop()
        await until(lambda: set(_tasks(door)) == {"1.1", "1.3"})
        assert _tasks(door)["1.1"] is kept
        await until(lambda: fake.made("POST /channels/1.3/play"))
        assert "innringing/recovered" in fake.made("POST /channels/1.3/play")[0].query["media"]
        assert fake.made("POST /channels/1.3/variable")[0].query == {"variable": "TIMEOUT(absolute)", "value": "30"}
        assert [(call.channel_id, step) for call, _, _, step in door.desk.incomplete] == [
            ("1.2", IncompleteStep.IDENTITY)
        ]


def _tasks(door: Door) -> dict[str, Any]:
    return {channel: served.task for channel, served in door.controller._served.items()}


async def _nothing() -> None:
    return None
