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

SERVED_WITHIN: Final = 2  # seconds that a new caller waits for us; extensions.conf sets this limit
RESCUE_AFTER: Final = 6  # seconds without us, later in the call, until the dialplan takes the caller
CONFIRMING_AFTER: Final = 12  # the same during a receipt, whose rest Asterisk plays by itself when we stop
SUCCESSOR_WITHIN: Final = 10  # seconds until another process must have taken over a caller, after an orderly end
REQUEST_SENT: Final = 1.0
COVER_WITHIN: Final = 2.0  # seconds that a caller may wait for it
AT_LEAST: Final = 4.0  # seconds that must be left of the limit when nothing plays


class RescueTimer:
    """The time limit of one channel, as this process last set it."""

    def __init__(self, channel: Channel, *, gone: Callable[[], None], left: float = SERVED_WITHIN) -> None:
        """`gone` is called when the channel is no longer ours. `left`: seconds until the limit runs out."""
        self._channel = channel
        self._gone = gone
        self._clock = asyncio.get_running_loop().time
        self._until = self._clock() + left
        self._covering = False
        self._request: asyncio.Task[None] | None = None
        self._behind = set[asyncio.Task[None]]()  # requests behind what plays or records
        self.confirming = 0
        """How many parts of the conversation that confirm a callback are under way."""

    @property
    def left(self) -> float:
        """Seconds until the limit runs out."""
        return self._until - self._clock()

    @property
    def after(self) -> float:
        """Seconds without us until the dialplan takes the caller."""
        return CONFIRMING_AFTER if self.confirming else RESCUE_AFTER

    async def cover(self, seconds: float, *, at_least: float = AT_LEAST) -> None:
        """Set the limit for a playback or recording of `seconds` that starts next. Nothing may be playing now.

        `at_least`: seconds that must be left after it. Raises ChannelGone, NotInStasis and AriUnavailable. Any other
        failure is logged: the caller must not wait.
        """
        if not self._request and seconds + at_least <= self.left <= seconds + self.after + 1:
            return
        self._covering = True
        try:
            async with asyncio.timeout(COVER_WITHIN):
                if self._request:  # a shorter limit, which must not arrive behind ours
                    await asyncio.wait((self._request,))
                await self._set(seconds + self.after)
        except (ChannelGone, NotInStasis, AriUnavailable):
            raise
        except (AriError, TimeoutError) as error:
            log.info("Could not extend a caller's time limit", error=str(error) or type(error).__name__)
        finally:
            self._covering = False

    def renew(self, seconds: float = 0.0) -> None:
        """Set the limit in the background, where needed. A failure is logged, and tried again by the next call."""
        busy = self._covering or self._request is not None
        if not busy and not seconds + AT_LEAST <= self.left <= seconds + self.after + 1:
            self._request = asyncio.get_running_loop().create_task(self._renew(seconds + self.after))

    def follow(self, seconds: float = 0.0) -> None:
        """Set the limit at the end of what plays or records now, for the `seconds` of what is sent next."""
        task = asyncio.get_running_loop().create_task(self._renew(seconds + self.after, waits=True))
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)

    async def await_successor(self) -> None:
        """Set the limit to the time that another process needs to start. A failure is logged."""
        try:
            async with asyncio.timeout(REQUEST_SENT):  # Asterisk carries it out behind what plays, also without us
                await self._set(SUCCESSOR_WITHIN)
        except (AriError, TimeoutError) as error:
            log.info("Could not extend a caller's time limit", error=str(error) or type(error).__name__)

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
