"""Recordings as Asterisk keeps them for a moment: files in clear, reached over ARI."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from ivr.asterisk.ari import Ari
from ivr.asterisk.errors import ChannelGone

PREFIX: Final = "innringing-"
"""What our recordings' names begin with; any others are somebody else's."""


class Spool:
    """Asterisk's recordings of ours, by the id of the callback each belongs to. Methods raise AriError."""

    def __init__(self, ari: Ari) -> None:
        self._ari = ari

    async def names(self) -> list[str]:
        """Those there are, finished or not."""
        match await self._ari.request("recordings", "listStored"):
            case [*found]:
                names = [each.get("name") for each in found if isinstance(each, dict)]
                return [name for name in names if isinstance(name, str) and name.startswith(PREFIX)]
            case _:
                return []

    async def is_live(self, name: str) -> bool:
        """Whether it is still being recorded."""
        try:
            await self._ari.request("recordings", "getLive", recordingName=name)
        except ChannelGone:
            return False
        return True

    async def read(self, name: str) -> bytes | None:
        """Its sound, A-law; None when there is no such file."""
        try:
            return await self._ari.fetch("recordings", "getStoredFile", recordingName=name)
        except ChannelGone:
            return None

    async def delete(self, name: str) -> None:
        """Delete the file. Quiet if it is gone."""
        with suppress(ChannelGone):
            await self._ari.request("recordings", "deleteStored", recordingName=name)


def name_of(callback_id: str) -> str:
    """What the recording for that callback is called in Asterisk."""
    return PREFIX + callback_id


def callback_of(name: str) -> str:
    """The callback's id in a recording's name."""
    return name.removeprefix(PREFIX)
