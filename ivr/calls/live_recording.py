"""A recording of one caller, while Asterisk makes it."""

from __future__ import annotations

import asyncio
from typing import Final

from ivr.asterisk.channel import Channel
from ivr.calls.playback import resolve, stop_recording
from ivr.calls.rescue import RescueTimer

RECORDING_GRACE: Final = 5.0  # seconds to wait for the event that ends a recording, before we stop it ourselves


class LiveRecording:
    """The caller's recording, one at a time. `ended`, `lost` and `give_up` never block."""

    def __init__(self, channel: Channel, *, rescue: RescueTimer) -> None:
        self._channel = channel
        self._rescue = rescue
        self._outcome: asyncio.Future[str] | None = None  # how it ended: done, lost, gone
        self.name = ""
        """The name of the last recording. It may still be in progress."""

    @property
    def is_on(self) -> bool:
        return self._outcome is not None

    async def make(self, name: str, *, longest: int, silence: int) -> None:
        """Record the caller until the end of the recording. Raises AriError; it may have started anyway.

        The caller's time limit covers the longest recording. Behind the recording it is set to the usual one, which
        Asterisk does at its end, also when we are dead by then.
        """
        self.name, self._outcome = name, asyncio.get_running_loop().create_future()
        try:
            await self._rescue.cover(longest + RECORDING_GRACE)
            await self._channel.record(name, longest=longest, silence=silence)
            self._rescue.follow()
            done, _ = await asyncio.wait((self._outcome,), timeout=longest + RECORDING_GRACE)
            if not done or self._outcome.result() == "lost":
                await stop_recording(self._channel, name)
        finally:
            self._outcome = None

    def ended(self, name: str) -> None:
        """Handle the end of a recording. Its file is complete."""
        if self.name == name:
            self.give_up("done")

    def give_up(self, outcome: str) -> None:
        """End the wait for the recording's end."""
        resolve(self._outcome, outcome)
