"""Share one connection to Asterisk: calls go to the controller, dials to the dialler, recordings to the intake."""

from __future__ import annotations

from typing import NoReturn

from ivr.asterisk.ari import Admit, Reconcile, Route, admit_at_once
from ivr.asterisk.channel import Channel
from ivr.asterisk.events import Event, RecordingEnded, StasisStart
from ivr.calls.controller import InboundChannels
from ivr.calls.recording_intake import RecordingIntake
from ivr.dials.dialler import Dialler
from ivr.dials.outbound import leg_of


class EventRouter:
    """Asterisk as the controller sees it, without the channels of dials. Implements `InboundChannels`."""

    def __init__(
        self, *, ari: InboundChannels, dialler: Dialler | None = None, intake: RecordingIntake | None = None
    ) -> None:
        self._ari = ari
        self._dialler = dialler
        self._intake = intake

    @property
    def asterisk_id(self) -> str:
        return self._ari.asterisk_id

    async def run(self, route: Route, reconcile: Reconcile, admit: Admit = admit_at_once) -> NoReturn:
        """Run the connection like `Ari.run`, but pass on only events of inbound calls."""

        def route_event(event: Event) -> None:
            if self._intake and isinstance(event, RecordingEnded):
                self._intake.ended(event.name)
            if not (self._dialler and self._dialler.route(event)):
                route(event)

        async def reconcile_all() -> None:
            if self._dialler:
                self._dialler.reconnected()
            await reconcile()
            if self._intake:
                self._intake.reconnected()

        await self._ari.run(route_event, reconcile_all, admit)

    async def leave(self) -> None:
        await self._ari.leave()

    def channel(self, channel_id: str) -> Channel:
        return self._ari.channel(channel_id)

    async def channel_ids(self) -> frozenset[str]:
        return frozenset(id for id in await self._ari.channel_ids() if leg_of(id) is None)

    async def found(self, channel_id: str) -> StasisStart | None:
        return await self._ari.found(channel_id)
