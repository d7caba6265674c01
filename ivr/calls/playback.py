"""What plays on a caller's channel: playbacks with ids that a successor knows, and silence between keys."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Final

import structlog

from ivr.asterisk.channel import HOLD, HOLD_SECONDS, Channel
from ivr.asterisk.errors import AriError, ChannelGone
from ivr.calls.rescue import RescueTimer

log = structlog.get_logger(__name__)

IDS_IN_TURN: Final = 4
"""How many ids a channel's playbacks have. Each playback has ended before its id's turn comes again."""
KEY_TONE: Final = "key_tone"
HELD: Final = 2  # silences after a key tone, longer than any wait for the next key


@dataclass(slots=True)
class Playback:
    """A playback that a call waits for. After `silent_from` it only waits for keys."""

    id: str
    barge_in: bool
    deaf_until: float
    silent_from: float
    outcome: asyncio.Future[str]  # "done", "failed", "cancelled" from Asterisk; "key", "lost", "gone" from the call


class HeldLine:
    """The playback that keeps a line open between keys: a paused one, or a tone for a key and then silence.

    Both count as playing. When a playback starts or ends during a key press, or keys come in late while nothing plays,
    Asterisk 22.10.1 may report a key twice (docs/decisions/0033).
    """

    def __init__(self, channel: Channel, *, sounds: str, rescue: RescueTimer) -> None:
        self._channel = channel
        self._sounds = sounds
        self._rescue = rescue
        self._ids = cycle(held_ids(channel.id))
        self._playing: str | None = None

    async def hold(self, language: str, *, tone: bool = False, silence: bool = True) -> None:
        """Queue a tone and silence first, then stop the previous ones."""
        sounds = (*((KEY_TONE,) if tone else ()), *((HOLD,) * HELD if silence else ()))
        before, own = self._playing, next(self._ids)
        self._playing = own if silence else None
        self._rescue.renew(HELD * HOLD_SECONDS)
        try:
            await self._channel.play(own, [f"sound:{self._sounds}/{sound}" for sound in sounds], language)
        except AriError as error:  # if the caller or Asterisk is gone, the next await raises
            self._playing = None
            log.info("Could not play a key tone", error=str(error))
        if before:
            await stop_playback(self._channel, before)

    @property
    def holds(self) -> bool:
        """Whether the line is kept open now. The caller's time limit can't be set then."""
        return self._playing is not None

    async def keep(self, playback_id: str) -> None:
        """Pause a playback, and keep it until the line is let go."""
        self._playing = playback_id
        try:
            await self._channel.pause(playback_id)
        except ChannelGone:
            self.ended(playback_id)
        except AriError as error:
            log.warning("Could not pause a prompt", error=str(error))
            await self.let_go()

    def ended(self, playback_id: str) -> None:
        """Handle the end of a playback."""
        if self._playing == playback_id:
            self._playing = None

    async def let_go(self) -> None:
        """Stop what keeps the line open, so that a prompt can play."""
        before, self._playing = self._playing, None
        if before:
            await stop_playback(self._channel, before)


def playback_ids(channel_id: str) -> tuple[str, ...]:
    """Return the ids of a channel's prompts, used in turn. They are fixed, so that a successor can stop what plays."""
    return tuple(f"{channel_id}-prompt-{n}" for n in range(IDS_IN_TURN))


def held_ids(channel_id: str) -> tuple[str, ...]:
    """Return the ids of the playbacks that keep a channel's line open, used in turn."""
    return tuple(f"{channel_id}-held-{n}" for n in range(IDS_IN_TURN))


async def stop_playback(channel: Channel, playback_id: str) -> None:
    """Stop a playback, if it has not ended."""
    try:
        await channel.stop(playback_id)
    except ChannelGone:
        pass  # it ended in the meantime
    except AriError as error:
        log.warning("Could not stop a prompt", error=str(error))


async def stop_recording(channel: Channel, name: str) -> None:
    """Stop a recording, if it is in progress. Its file is kept."""
    try:
        await channel.stop_recording(name)
    except ChannelGone:
        pass  # it ended, or never started
    except AriError as error:
        log.warning("Could not stop a recording", error=str(error))


def resolve(future: asyncio.Future[Any] | None, result: str | None) -> None:
    """Set the result of a future that someone may be waiting for, unless it has one."""
    if future and not future.done():
        future.set_result(result)
