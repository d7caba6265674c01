"""The caller's channel as a call uses it: its commands, the caller id and the keys pressed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

HOLD: Final = "hold"
"""The prompt that is silence: it keeps a playback going while keys are awaited."""
HOLD_SECONDS: Final = 5.0
RECORDING_FORMAT: Final = "alaw"
"""As on the line, and without a header that a crash could leave incomplete."""


class Channel(Protocol):
    """The caller's channel in Asterisk. Every method may raise an AriError."""

    @property
    def id(self) -> str: ...

    async def play(self, playback_id: str, media: Sequence[str], language: str) -> None:
        """Start playing `media` (URIs like `sound:innringing/welcome`) in order, as one playback."""

    async def stop(self, playback_id: str) -> None: ...

    async def pause(self, playback_id: str) -> None:
        """End the sound of a playback, but not the playback: until `stop`, keys are read as while it plays."""

    async def playing(self, playback_id: str) -> bool:
        """Ask Asterisk whether the playback is still queued or playing."""
        ...

    def expect_keys(self, seconds: float) -> None:
        """Say that only keys are awaited for `seconds`, from the end of the prompts that play or are sent next."""

    async def record(self, name: str, *, longest: int, silence: int) -> None:
        """Start recording the caller. Ends after `longest` seconds, `silence` silent seconds, a key or a hang-up."""

    async def stop_recording(self, name: str) -> None:
        """End the recording and keep its file."""

    async def hangup(self) -> None: ...

    async def leave(self, context: str, extension: str) -> None:
        """Continue in the dialplan at this extension, priority 1."""

    async def finish(self) -> None:
        """Continue in the dialplan after the application, where it hangs up, once all that was sent has played."""

    async def remember_language(self, language: str) -> None:
        """Let the dialplan, and the process that goes on with the caller, know the language they are spoken to in."""

    async def set_rescue(self, seconds: int, *, waits: bool = False) -> None:
        """Let the dialplan take over the caller in `seconds`, unless this is called again before that.

        Asterisk does it when nothing plays or records. `waits`: that may be a minute from now.
        """


@dataclass(frozen=True, slots=True)
class CallerId:
    """The caller's number as sent by the trunk. `number` is None when there is none, or when it is `withheld`."""

    number: str | None = field(repr=False)
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class Keys:
    """The digits a caller keyed, and what ended the input. The repr shows only how many digits.

    `restarted`: the caller pressed '*' to start over, so earlier digits no longer count. `pace`: the usual seconds
    between two keys. `settled`: the seconds that we have waited for a surplus key.
    """

    digits: str
    ended: Literal["complete", "hash", "timeout", "silence"]
    restarted: bool = False
    pace: float = field(default=0.0, compare=False)
    settled: float = field(default=0.0, compare=False)

    def __repr__(self) -> str:
        return f"Keys({len(self.digits)} digits, {self.ended})"
