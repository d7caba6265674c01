"""The connection to Asterisk: bad messages, wrong passwords, a late start, a second controller, resumed calls."""

import asyncio
from typing import Any

import pytest

from desk.callbacks.model import IncompleteStep
from ivr.asterisk import errors
from ivr.asterisk.ari import Ari
from ivr.calls.call import Call
from tests.support.phone.fake_ari import PASSWORD, USER, FakeAri, channel_json, serving
from tests.support.phone.phone_door import Door, FakeLease, open_door, until
from tests.support.phone.plain_aioari import nothing, one_prompt, silence, stock, stock_running

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


async def test_wrong_password_is_one_clear_error() -> None:
    async with serving(password="another") as fake:
        ari = Ari(base_url=fake.url, user=USER, password=PASSWORD)
        with pytest.raises(errors.AriRefused, match="INNRINGING_ARI_PASSWORD") as refused:
            await ari.run(lambda _: None, nothing)
        assert PASSWORD not in str(refused.value)


async def test_changed_password_is_retried_until_it_works() -> None:
    async with serving() as fake, open_door(fake, silence) as door:
        fake.password = "another"
        fake.drop()
        await until(lambda: not door.ari.connected)
        refused = len(fake.requests)
        await until(lambda: len(fake.requests) > refused + 2)
        fake.password = PASSWORD
        await until(lambda: door.ari.connected)


async def test_controller_waits_for_asterisk_to_start() -> None:
    async with serving(statuses=[("/api-docs/resources.json", 404)]) as fake:
        async with serving() as free:
            pass
        late = FakeAri(port=free.port)
        for asterisk, begin in ((fake, fake.statuses.clear), (late, late.start)):
            ari = Ari(base_url=asterisk.url, user=USER, password=PASSWORD)
            running = asyncio.create_task(ari.run(lambda _: None, nothing))
            await asyncio.sleep(0.3)
            assert not ari.connected
            started = begin()
            if started:
                await started
            await until(lambda ari=ari: ari.connected)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        await late.stop()


async def test_replaced_controller_lets_go_of_its_calls_and_stands_by() -> None:
    async with serving() as fake:
        lease = FakeLease()
        async with open_door(fake, silence, lease=lease) as first:
            await fake.call_in("1.1", "kirurgi", "nb", "allowed")
            await until(lambda: first.controller.calls == 1)
            served: list[str] = []

            async def conversation(call: Call, *_: Any) -> None:
                served.append(call.key.channel_id)

            lease.free.clear()
            async with open_door(fake, conversation) as second:
                await until(lambda: served == ["1.1"])
                await until(lambda: first.controller.calls == 0)
                assert first.desk.incomplete == [], "the other one serves the caller"
                assert (fake.connections, lease.losses) == (2, 1)
                assert second.ari.connected and not first.ari.connected
            lease.free.set()
            await until(lambda: first.ari.connected)
            assert fake.connections == 3


async def test_reconnect_resumes_calls_it_finds_and_ends_lost_ones() -> None:
    async def conversation(call: Call, *_: Any) -> None:
        if call.recovered:
            await call.play("recovered")
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
        assert fake.made("POST /channels/1.3/variable")[0].query == {"variable": "TIMEOUT(absolute)", "value": "26"}
        assert [(call.channel_id, step) for call, _, _, step in door.desk.incomplete] == [
            ("1.2", IncompleteStep.IDENTITY)
        ]


def _tasks(door: Door) -> dict[str, Any]:
    return {channel: active.task for channel, active in door.controller._active.items()}
