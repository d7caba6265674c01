"""A controller under test: a fake Asterisk with scripted lines, on virtual time."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from desk.callbacks.model import IncompleteStep
from ivr.asterisk.events import ChannelDestroyed, ChannelDtmfReceived, PlaybackFinished, RecordingEnded, StasisStart
from ivr.calls.call import Call
from ivr.calls.controller import Controller, Conversation
from ivr.rehearsal.line import FakeChannel
from tests.support.phone.phone_door import NotingDesk, controller_of

NUMBER = "+4768050001"


@dataclass
class Wire:
    """What happens on a line becomes an event for the controller."""

    route: Any
    channel_id: str

    def key_pressed(self, key: str) -> None:
        self.route(ChannelDtmfReceived(self.channel_id, key))

    def playback_finished(self, playback_id: str, state: str) -> None:
        self.route(PlaybackFinished(self.channel_id, playback_id, state))

    def recording_ended(self, name: str) -> None:
        self.route(RecordingEnded(self.channel_id, name, failed=False))

    def ended(self) -> None:
        self.route(ChannelDestroyed(self.channel_id))


class FakeAsterisk:
    """Lines by id. It connects once and stays connected."""

    asterisk_id = "asterisk-1"

    def __init__(self) -> None:
        self.route: Any = None
        self.left = False
        self.lines: dict[str, FakeChannel] = {}
        self.present: dict[str, StasisStart] = {}

    async def run(self, route: Any, reconcile: Any, admit: Any) -> None:
        self.route = route
        await reconcile()
        await asyncio.Event().wait()

    async def leave(self) -> None:
        self.left = True

    def channel(self, channel_id: str) -> FakeChannel:
        line = self.lines.setdefault(channel_id, FakeChannel(channel_id))
        line.attach(Wire(self.route, channel_id))
        return line

    async def channel_ids(self) -> frozenset[str]:
        return frozenset(self.present)

    async def found(self, channel_id: str) -> StasisStart | None:
        return self.present.get(channel_id)


@asynccontextmanager
async def running(
    conversation: Conversation,
    asterisk: FakeAsterisk | None = None,
    desk: Any = None,
    grace: float = 60.0,
    lengths: Mapping[str, float] | None = None,
    **more: Any,
) -> AsyncIterator[tuple[Controller, FakeAsterisk, NotingDesk]]:
    asterisk, desk = asterisk or FakeAsterisk(), desk or NotingDesk()
    controller = controller_of(asterisk, desk, conversation, grace, lengths, **more)
    stopping = asyncio.Event()
    serving = asyncio.create_task(controller.serve(stopping))
    await asyncio.sleep(1)
    try:
        yield controller, asterisk, desk
    finally:
        stopping.set()
        await serving


def start(channel: str = "1.1", *args: str, number: str | None = NUMBER) -> StasisStart:
    return StasisStart("asterisk-1", channel, args or ("kirurgi", "nb", "allowed_not_screened"), number)


async def wait_for_keys(call: Call, *_: Any) -> None:
    with call.at(IncompleteStep.IDENTITY):
        await call.collect(digits=99, first=500, between=500)
