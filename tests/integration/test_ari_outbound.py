"""Outgoing calls over ARI: what is sent, and what must not be."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from ivr.asterisk.ari import Ari
from ivr.asterisk.errors import AriUnavailable, ChannelGone, NotReachable
from ivr.asterisk.events import ChannelDestroyed, parse
from ivr.dials.dialler import Dialler
from ivr.event_router import EventRouter
from tests.support.phone.dialler import ID, FakeDials, a_dial
from tests.support.phone.fake_ari import PASSWORD, USER, FakeAri, serving
from tests.support.phone.phone_door import until

CHANNEL = f"dial-{ID.format(1)}-patient"
ENDPOINT = "PJSIP/+4768050001@trunk"


@asynccontextmanager
async def connected(fake: FakeAri) -> AsyncIterator[Ari]:
    ari = Ari(base_url=fake.url, user=USER, password=PASSWORD)

    async def nothing() -> None:
        """There is nothing to reconcile."""

    running = asyncio.create_task(ari.run(lambda _: None, nothing))
    try:
        await until(lambda: ari.connected)
        yield ari
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def ring(ari: Ari) -> None:
    args = ("dial", ID.format(1), "patient")
    await ari.create(CHANNEL, ENDPOINT, args=args, caller_id="+4768059000", longest=7200)
    await ari.dial(CHANNEL, seconds=45)


async def test_number_is_sent_in_the_body_and_never_in_an_address() -> None:
    async with serving() as fake, connected(fake) as ari:
        await ring(ari)
        (created,) = fake.made("POST /channels/create$")
        assert json.loads(created.body) == {
            "channelId": CHANNEL,
            "endpoint": ENDPOINT,
            "app": "innringing",
            "appArgs": f"dial,{ID.format(1)},patient",
            "variables": {
                "CALLERID(num)": "+4768059000",
                "CONNECTEDLINE(num,i)": "+4768059000",
                "TIMEOUT(absolute)": "7200",
            },
        }
        (dialled,) = fake.made(f"POST /channels/{CHANNEL}/dial$")
        assert json.loads(dialled.body) == {"timeout": 45}
        assert not [one for one in fake.requests if "6805" in one.url]


async def test_calls_are_created_and_dialled_never_originated() -> None:
    """ARI's originate follows a redirect (302) of the phone to any destination."""
    async with serving() as fake, connected(fake) as ari:
        await ring(ari)
        assert not fake.made("POST /channels$") and not fake.made("POST /channels/dial-[^/]+$")


@pytest.mark.parametrize("step", ["create", f"{CHANNEL}/dial"])
@pytest.mark.parametrize("status", [400, 404, 409, 500])
async def test_uncallable_endpoint_is_distinguished_from_lost_asterisk(step: str, status: int) -> None:
    async with serving() as fake, connected(fake) as ari:
        fake.statuses.append((f"POST /channels/{step}", status))
        with pytest.raises(NotReachable):
            await ring(ari)
    with pytest.raises(AriUnavailable):
        await ring(ari)


async def test_two_channels_are_joined_and_separated() -> None:
    async with serving() as fake, connected(fake) as ari:
        await ring(ari)
        await ari.ring(CHANNEL)
        await ari.ring_stop(CHANNEL)
        await ari.bridge("dial-1", (CHANNEL, "other"))
        assert fake.bridges == {"dial-1": [CHANNEL, "other"]}
        assert await ari.bridges() == {"dial-1"}
        assert await ari.channels() == {CHANNEL}
        assert await ari.started_at() == datetime(2026, 11, 24, 8, tzinfo=UTC)
        await ari.destroy_bridge("dial-1")
        await ari.hangup(CHANNEL)
        assert (fake.bridges, fake.channels) == ({}, {})
        with pytest.raises(ChannelGone):
            await ari.destroy_bridge("dial-1")


def test_hangup_cause_of_a_channel_is_read() -> None:
    destroyed = {"type": "ChannelDestroyed", "channel": {"id": "1.1"}, "cause": 17, "cause_txt": "User busy"}
    assert parse(destroyed) == ChannelDestroyed("1.1", 17)
    assert parse({**destroyed, "cause": "busy"}) == ChannelDestroyed("1.1", 0)


async def test_phone_is_registered_when_its_endpoint_is_online() -> None:
    async with serving(phones={"kari-phone": "online", "ola-phone": "offline"}) as fake, connected(fake) as ari:
        found = [await ari.is_registered(name) for name in ("kari-phone", "ola-phone", "unknown")]
    assert found == [True, False, False]


async def one() -> int:
    return 1


async def test_controller_ignores_dials_and_dialler_ignores_calls() -> None:
    async with serving() as fake:
        dials = FakeDials()
        ari = Ari(base_url=fake.url, user=USER, password=PASSWORD)
        dialler = Dialler(channels=ari, dials=dials, controllers=one, agent_rings=5, patient_rings=5)  # type: ignore[arg-type]
        inbound = EventRouter(ari=ari, dialler=dialler)
        seen: list[object] = []
        connections = 0

        async def reconcile() -> None:
            nonlocal connections
            connections += 1

        stopping = asyncio.Event()
        running = asyncio.create_task(inbound.run(seen.append, reconcile))
        serve = asyncio.create_task(dialler.serve(stopping))
        await until(lambda: connections)
        dials.asked.append(a_dial())
        dials.woken.set()
        agent = f"dial-{ID.format(1)}-agent"
        await until(lambda: agent in fake.channels)
        await fake.call_in("1.1", "kirurgi", "nb")
        assert await inbound.channel_ids() == {"1.1"}
        await until(lambda: fake.made(f"POST /channels/{agent}/dial"))
        await fake.emit("ChannelStateChange", channel=fake.channels[agent])
        await until(lambda: fake.made(f"POST /channels/{CHANNEL}/dial"))
        await fake.emit("ChannelDestroyed", channel=fake.channels.pop(CHANNEL), cause=17, cause_txt="User busy")
        await until(lambda: dials.steps[-1:] == ["busy"])
        assert set(fake.channels) == {"1.1"}
        assert {getattr(event, "channel_id", "") for event in seen} == {"1.1"}
        stopping.set()
        await serve
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
