"""Commands over the websocket: where Asterisk takes them, and what happens when it is late, refuses or closes."""

import asyncio

import pytest

from ivr.asterisk.errors import AriTimeout, ChannelGone
from tests.support.phone.fake_ari import FakeAri, serving
from tests.support.phone.phone_door import Door, open_door, until
from tests.support.phone.plain_aioari import silence


async def offered(fake: FakeAri, door: Door) -> None:
    """Wait until commands go over the websocket."""
    while not fake.on_websocket:
        with pytest.raises(ChannelGone):
            await door.ari.channel("none").stop("none")
        await asyncio.sleep(0.01)


async def test_commands_that_asterisk_answers_at_once_go_over_the_websocket() -> None:
    async with serving() as fake, open_door(fake, silence) as door:
        await offered(fake, door)
        await fake.call_in("1.1", "kirurgi", "nb", "allowed")
        channel = door.ari.channel("1.1")
        await channel.play("p1", ["sound:innringing/welcome", "sound:innringing/hold"], "nb")
        played = fake.on_websocket[-1]
        assert (played.method, played.path) == ("POST", "/channels/1.1/play/p1")
        assert played.query == {"media": "sound:innringing/welcome,sound:innringing/hold", "lang": "nb"}
        await channel.hangup()
        assert fake.on_websocket[-1].method == "DELETE"
        with pytest.raises(ChannelGone):
            await channel.hangup()
        assert len(fake.made("DELETE /channels/1.1")) == 2


async def test_variables_and_questions_never_go_over_the_websocket() -> None:
    async with serving() as fake, open_door(fake, silence) as door:
        await offered(fake, door)
        await fake.call_in("1.1", "kirurgi", "nb", "allowed")
        await door.ari.channel("1.1").set_rescue(10)
        assert not await door.ari.channel("1.1").playing("p1")
        await door.ari.ring("1.1")
        assert fake.made("POST /channels/1.1/variable")
        assert {request.method for request in fake.on_websocket} == {"DELETE"}, "only those of `offered`"


async def test_without_an_offer_commands_go_over_http() -> None:
    async with serving(takes_requests=False) as fake, open_door(fake, silence) as door:
        await fake.call_in("1.1", "kirurgi", "nb", "allowed")
        await door.ari.channel("1.1").hangup()
        assert fake.made("DELETE /channels/1.1") and not fake.on_websocket


async def test_late_answer_moves_commands_to_http_until_the_next_connection() -> None:
    async with serving() as fake, open_door(fake, silence, rest_timeout=0.3) as door:
        await offered(fake, door)
        fake.hanging = "/channels/1.1$"
        await fake.call_in("1.1", "kirurgi", "nb", "allowed")
        with pytest.raises(AriTimeout):
            await door.ari.channel("1.1").hangup()
        fake.hanging = None
        sent = len(fake.on_websocket)
        await door.ari.channel("1.1").hangup()
        assert len(fake.on_websocket) == sent
        fake.drop()
        await until(lambda: fake.connections == 2 and door.ari.connected)
        fake.on_websocket.clear()
        await offered(fake, door)


async def test_command_in_progress_when_the_websocket_closes_may_have_arrived() -> None:
    async with serving() as fake, open_door(fake, silence) as door:
        await offered(fake, door)
        await fake.call_in("1.1", "kirurgi", "nb", "allowed")
        fake.hanging = "/channels/1.1$"
        hanging_up = asyncio.create_task(door.ari.channel("1.1").hangup())
        await until(lambda: fake.made("DELETE /channels/1.1"))
        fake.drop()
        with pytest.raises(AriTimeout):
            await hanging_up
