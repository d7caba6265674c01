"""One connection to Asterisk, and who lives off it: calls that come in are the controller's, dials are the dialler's,
recordings that have ended are the intake's.
"""

from __future__ import annotations

from typing import NoReturn

from ivr.asterisk.ari import Ari, Reconcile, Route
from ivr.asterisk.channel import Channel
from ivr.asterisk.events import Event, RecordingEnded, StasisStart
from ivr.calls.recording_intake import Intake
from ivr.dials.dialler import Dialler
from ivr.dials.outbound import leg_of


class Inbound:
    """Asterisk as the controller sees it: without the channels of dials, whose events go to the dialler."""

    def __init__(self, *, ari: Ari, dialler: Dialler, intake: Intake | None = None) -> None:
        self._ari = ari
        self._dialler = dialler
        self._intake = intake

    async def run(self, route: Route, reconcile: Reconcile) -> NoReturn:
        """As `Ari.run`, with events sorted."""

        def sorted_route(event: Event) -> None:
            if self._intake and isinstance(event, RecordingEnded):
                self._intake.ended(event.name)
            if not self._dialler.route(event):
                route(event)

        async def both() -> None:
            self._dialler.reconnected()
            await reconcile()
            if self._intake:
                self._intake.reconnected()

        await self._ari.run(sorted_route, both)

    def channel(self, channel_id: str) -> Channel:
        return self._ari.channel(channel_id)

    async def channel_ids(self) -> frozenset[str]:
        return frozenset(id for id in await self._ari.channel_ids() if leg_of(id) is None)

    async def found(self, channel_id: str) -> StasisStart | None:
        return await self._ari.found(channel_id)
