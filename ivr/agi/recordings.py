"""The standby's recordings: AGI records them to the folder of those over ARI, from which ARI gives and deletes them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from time import monotonic
from typing import Final

from ivr.asterisk.bare import BareAri

PREFIX: Final = "standby-"
"""The prefix of our recordings' names. The phone door takes only those with its own: it can't see if AGI records."""
GRACE: Final = 15.0


class StandbyRecordings:
    """Our recordings in Asterisk, named by callback id. Methods raise AriError."""

    def __init__(self, ari: BareAri, live: Callable[[], Collection[str]], *, longest: float) -> None:
        """`live` returns the names of the recordings that our callers make now. `longest`: seconds of one."""
        self._ari = ari
        self._live = live
        self._others_end = monotonic() + longest + GRACE

    def name_of(self, callback_id: str) -> str:
        """Return the name of the callback's recording in Asterisk."""
        return PREFIX + callback_id

    def callback_of(self, name: str) -> str:
        """Return the callback id in a recording's name."""
        return name.removeprefix(PREFIX)

    async def names(self) -> list[str]:
        """Return the names of all stored recordings, also unfinished ones."""
        return [name for name in await self._ari.recordings() if name.startswith(PREFIX)]

    async def is_live(self, name: str) -> bool:
        """Whether the recording may still be in progress. Asterisk ends those of an earlier standby by itself."""
        return name in self._live() or monotonic() < self._others_end

    async def read(self, name: str) -> bytes | None:
        """Return the sound as A-law. None if there is no such file."""
        return await self._ari.recording(name)

    async def delete(self, name: str) -> None:
        """Delete the file, if it exists."""
        await self._ari.delete_recording(name)
