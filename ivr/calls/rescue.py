"""The dialplan's time limit for one caller, kept ahead of what the caller is listening to.

`TIMEOUT(absolute)` is the rescue: when this process dies or hangs, the limit runs out and the dialplan takes over the
caller. Asterisk sets a limit on the channel's own thread, so a request that arrives during a playback or a recording is
answered only after it. Requests that wait like that held every connection to Asterisk at 330 calls at once. So the
limit is set before each playback, for as long as the playback lasts, and otherwise only while nothing plays.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Final

import structlog

from ivr.asterisk.channel import Channel
from ivr.asterisk.errors import AriError, AriUnavailable, ChannelGone, NotInStasis

log = structlog.get_logger(__name__)

RESCUE_AFTER: Final = 10  # seconds without us until the dialplan takes the caller; extensions.conf sets the same limit
COVER_WITHIN: Final = 2.0  # seconds that a caller may wait for it
AT_LEAST: Final = 7.0  # seconds that must be left of the limit when nothing plays


class RescueTimer:
    """The time limit of one channel, as this process last set it."""

    def __init__(self, channel: Channel, *, gone: Callable[[], None], left: float = RESCUE_AFTER) -> None:
        """`gone` is called when the channel is no longer ours. `left`: seconds until the limit runs out."""
        self._channel = channel
        self._gone = gone
        self._clock = asyncio.get_running_loop().time
        self._until = self._clock() + left
        self._request: asyncio.Task[None] | None = None
        self._behind: asyncio.Task[None] | None = None  # the request behind a recording

    @property
    def left(self) -> float:
        """Seconds until the limit runs out."""
        return self._until - self._clock()

    async def cover(self, seconds: float, *, at_least: float = AT_LEAST) -> None:
        """Set the limit for a playback or recording of `seconds` that starts next. Nothing may be playing now.

        `at_least`: seconds that must be left after it. Raises ChannelGone, NotInStasis and AriUnavailable. Any other
        failure is logged: the caller must not wait.
        """
        if seconds + at_least <= self.left <= seconds + RESCUE_AFTER + 1:
            return
        try:
            async with asyncio.timeout(COVER_WITHIN):
                await self._set(seconds + RESCUE_AFTER)
        except (ChannelGone, NotInStasis, AriUnavailable):
            raise
        except (AriError, TimeoutError) as error:
            log.info("Could not extend a caller's time limit", error=str(error) or type(error).__name__)

    def renew(self, seconds: float = 0.0) -> None:
        """Set the limit in the background, where needed. A failure is logged, and tried again by the next call."""
        if self._request is None and not seconds + AT_LEAST <= self.left <= seconds + RESCUE_AFTER + 1:
            self._request = asyncio.get_running_loop().create_task(self._renew(seconds + RESCUE_AFTER))

    def follow(self) -> None:
        """Set the usual limit at the end of the recording that has just started, in the background."""
        self._behind = asyncio.get_running_loop().create_task(self._renew(RESCUE_AFTER, waits=True))

    async def _renew(self, seconds: float, *, waits: bool = False) -> None:
        try:
            await self._set(seconds, waits=waits)
        except (ChannelGone, NotInStasis):
            self._gone()
        except AriError as error:
            log.info("Could not extend a caller's time limit", error=str(error))
        finally:
            if not waits:
                self._request = None

    async def _set(self, seconds: float, *, waits: bool = False) -> None:
        asked_at = self._clock()
        await self._channel.set_rescue(math.ceil(seconds), waits=waits)
        self._until = asked_at + seconds  # a request that waited counts from later: the limit is longer, never shorter
