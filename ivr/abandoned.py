"""Callers whom a dead phone door left behind: the standby sends them on, so that they need not wait for their limit.

They are in our application in Asterisk, which does not say if anyone serves it. But the kernel knows if the phone door
of this machine lives: it holds the lock of its seat.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final, NoReturn, Protocol

import structlog

from ivr.asterisk.errors import AriError
from ivr.calls.call import DIALPLAN_LANGUAGE
from ivr.calls.playback import held_ids, playback_ids
from ivr.calls.seat import Occupancy, occupancy
from ivr.dials.outbound import leg_of

log = structlog.get_logger(__name__)

ASKED_EVERY: Final = 0.5  # seconds


class LeftChannels(Protocol):
    """The part of `ivr.asterisk.bare.BareAri` used here. Every method may raise an AriError."""

    async def channel_ids(self) -> frozenset[str]: ...

    async def stop(self, playback_id: str) -> None: ...

    async def leave(self, channel_id: str, context: str, extension: str) -> None: ...


class Abandoned:
    """Watches the phone door of this machine, and sends its callers on when it has died."""

    def __init__(self, channels: LeftChannels, *, folder: Path, asked_every: float = ASKED_EVERY) -> None:
        """`folder`: where the phone door has its seat."""
        self._channels = channels
        self._folder = folder
        self._asked_every = asked_every
        self._lived = False

    async def serve(self) -> NoReturn:
        """Watch for ever. A phone door that ended in order has seen to its callers itself."""
        while True:
            await asyncio.sleep(self._asked_every)
            try:
                await self._look()
            except AriError as error:  # the dialplan's time limit sends them on instead
                log.info("Could not send on the callers of a dead phone door", error=str(error))

    async def _look(self) -> None:
        found = occupancy(self._folder)
        if found is Occupancy.DIED and self._lived:
            await self._send_on()
        self._lived = found is Occupancy.HELD or (self._lived and found is Occupancy.DIED)

    async def _send_on(self) -> None:
        for channel_id in sorted(await self._channels.channel_ids()):
            if leg_of(channel_id) is None:
                for playback_id in (*playback_ids(channel_id), *held_ids(channel_id)):
                    await self._channels.stop(playback_id)
                await self._channels.leave(channel_id, "again", DIALPLAN_LANGUAGE)
                log.warning("Sent on a caller of a dead phone door", channel_id=channel_id)
