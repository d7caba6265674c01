"""The caller's line as a call sees it: what it can be told to do, who rings, what is keyed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol


class Channel(Protocol):
    """The caller's line in Asterisk. Every method may raise an AriError of ivr.errors."""

    @property
    def id(self) -> str: ...

    async def play(self, playback_id: str, media: Sequence[str], language: str) -> None:
        """Start playing `media` (URIs as `sound:innringing/welcome`) one after another, as one playback."""

    async def stop(self, playback_id: str) -> None: ...

    async def playing(self, playback_id: str) -> bool:
        """Ask Asterisk whether the playback is still queued or playing."""
        ...

    async def record(self, name: str, *, longest: int, silence: int) -> None:
        """Start recording what is heard from the caller, under that name; for how long, and how silent, in seconds.

        Any key ends it, and so does hanging up.
        """

    async def stop_recording(self, name: str) -> None:
        """End it; what was recorded is kept."""

    async def hangup(self) -> None: ...

    async def leave(self, context: str, extension: str) -> None:
        """Go on in the dialplan there, at priority 1."""

    async def set_rescue(self, seconds: int) -> None:
        """Let the dialplan take the caller over `seconds` from now, unless this is called again before that."""


@dataclass(frozen=True, slots=True)
class CallerId:
    """Who rings, as the trunk says. `number` is None when there is none or when it may not be shown (`withheld`)."""

    number: str | None = field(repr=False)
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class Keys:
    """What the caller keyed, and what ended it. The repr shows only how many."""

    digits: str
    ended: Literal["complete", "hash", "timeout", "silence"]

    def __repr__(self) -> str:
        return f"Keys({len(self.digits)} digits, {self.ended})"
