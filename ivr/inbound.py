"""One connection to Asterisk, two who live off it: calls that come in are the controller's, dials are the dialler's."""

from __future__ import annotations

from typing import NoReturn

from ivr.ari import Ari, Reconcile, Route
from ivr.call import Channel
from ivr.dialler import Dialler
from ivr.events import Event, StasisStart
from ivr.outbound import leg_of


class Inbound:
    """Asterisk as the controller sees it: without the channels of dials, whose events go to the dialler."""

    def __init__(self, *, ari: Ari, dialler: Dialler) -> None:
        self._ari = ari
        self._dialler = dialler

    async def run(self, route: Route, reconcile: Reconcile) -> NoReturn:
        """As `Ari.run`, with events sorted."""

        def sorted_route(event: Event) -> None:
            if not self._dialler.route(event):
                route(event)

        async def both() -> None:
            self._dialler.reconnected()
            await reconcile()

        await self._ari.run(sorted_route, both)

    def channel(self, channel_id: str) -> Channel:
        return self._ari.channel(channel_id)

    async def channel_ids(self) -> frozenset[str]:
        return frozenset(id for id in await self._ari.channel_ids() if leg_of(id) is None)

    async def found(self, channel_id: str) -> StasisStart | None:
        return await self._ari.found(channel_id)
