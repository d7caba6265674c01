"""Callers whom a phone door that died or hangs left behind: the standby sends them on before their limit runs out.

They are in our application in Asterisk, which does not say if anyone serves it. But the kernel knows if the phone door
of this machine lives: it holds the lock of its seat, and gives a sign of life there twice a second.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Final, NoReturn, Protocol

import structlog

from ivr.asterisk.errors import AriError
from ivr.calls.call import DIALPLAN_LANGUAGE
from ivr.calls.playback import held_ids, playback_ids
from ivr.calls.seat import Occupancy, last_beat, occupancy
from ivr.dials.outbound import leg_of

log = structlog.get_logger(__name__)

ASKED_EVERY: Final = 0.5  # seconds
LANGUAGE: Final = re.compile(r"[a-z]{2}", re.ASCII)
AT_ONCE: Final = 8  # callers
HUNG_AFTER: Final = 6
"""How often we ask in vain for a sign of life. Counted, not timed: a pause of the whole machine is no hang."""


class LeftChannels(Protocol):
    """The part of `ivr.asterisk.bare.BareAri` used here. Every method may raise an AriError."""

    async def channel_ids(self) -> frozenset[str]: ...

    async def language(self, channel_id: str) -> str | None: ...

    async def stop(self, playback_id: str) -> None: ...

    async def leave(self, channel_id: str, context: str, extension: str) -> None: ...


class Abandoned:
    """Watches the phone door of this machine, and sends its callers on when it has died or hangs."""

    def __init__(self, channels: LeftChannels, *, folder: Path, asked_every: float = ASKED_EVERY) -> None:
        """`folder`: where the phone door has its seat."""
        self._channels = channels
        self._folder = folder
        self._asked_every = asked_every
        self._lived = False
        self._few = asyncio.Semaphore(AT_ONCE)
        self._beat: int | None = None
        self._beats_missed = 0
        self._sent_on = False

    async def serve(self) -> NoReturn:
        """Watch for ever. A phone door that ended in order has seen to its callers itself."""
        while True:
            await asyncio.sleep(self._asked_every)
            try:
                await self.ask()
            except AriError as error:  # the dialplan's time limit sends them on instead
                log.info("Could not send on the callers of a phone door that does not serve", error=str(error))

    async def ask(self) -> None:
        """Ask once if the phone door lives, and send its callers on if not. Raises AriError, and is asked again."""
        found = occupancy(self._folder)
        if found is Occupancy.DIED and self._lived:
            await self._send_on()
        self._lived = found is Occupancy.HELD or (self._lived and found is Occupancy.DIED)
        if found is Occupancy.HELD and self._hangs() and not self._sent_on:
            await self._send_on()
            self._sent_on = True  # once: the dialplan asks a door that hangs again, and then leads them to the standby

    def _hangs(self) -> bool:
        beat = last_beat(self._folder)
        if beat is None or beat != self._beat:
            self._beat, self._beats_missed, self._sent_on = beat, 0, False
            return False
        self._beats_missed += 1
        return self._beats_missed >= HUNG_AFTER

    async def _send_on(self) -> None:
        callers = [each for each in sorted(await self._channels.channel_ids()) if leg_of(each) is None]
        failed = await asyncio.gather(*map(self._send, callers), return_exceptions=True)
        for error in failed:
            if error:
                raise error

    async def _language(self, channel_id: str) -> str:
        """Return the language the caller is spoken to in. The dialplan has an extension for any two letters."""
        language = await self._channels.language(channel_id) or ""
        return language if LANGUAGE.fullmatch(language) else DIALPLAN_LANGUAGE

    async def _send(self, channel_id: str) -> None:
        async with self._few:
            for playback_id in (*playback_ids(channel_id), *held_ids(channel_id)):
                await self._channels.stop(playback_id)
            await self._channels.leave(channel_id, "again", await self._language(channel_id))
        log.warning("Sent on a caller of a phone door that does not serve", channel_id=channel_id)
