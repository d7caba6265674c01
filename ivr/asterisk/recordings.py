"""Asterisk's recordings: unencrypted files that exist briefly and are read over ARI."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from ivr.asterisk.ari import Ari
from ivr.asterisk.errors import ChannelGone

PREFIX: Final = "innringing-"
"""The prefix of our recordings' names. Other recordings are not ours."""


class AsteriskRecordings:
    """Our recordings in Asterisk, named by callback id. Methods raise AriError."""

    def __init__(self, ari: Ari) -> None:
        self._ari = ari

    def name_of(self, callback_id: str) -> str:
        """Return the name of the callback's recording in Asterisk."""
        return PREFIX + callback_id

    def callback_of(self, name: str) -> str:
        """Return the callback id in a recording's name."""
        return name.removeprefix(PREFIX)

    async def names(self) -> list[str]:
        """Return the names of all stored recordings, also unfinished ones."""
        match await self._ari.request("recordings", "listStored"):
            case [*found]:
                names = [each.get("name") for each in found if isinstance(each, dict)]
                return [name for name in names if isinstance(name, str) and name.startswith(PREFIX)]
            case _:
                return []

    async def is_live(self, name: str) -> bool:
        """Whether the recording is still in progress."""
        try:
            await self._ari.request("recordings", "getLive", recordingName=name)
        except ChannelGone:
            return False
        return True

    async def read(self, name: str) -> bytes | None:
        """Return the sound as A-law. None if there is no such file."""
        try:
            return await self._ari.fetch("recordings", "getStoredFile", recordingName=name)
        except ChannelGone:
            return None

    async def delete(self, name: str) -> None:
        """Delete the file, if it exists."""
        with suppress(ChannelGone):
            await self._ari.request("recordings", "deleteStored", recordingName=name)
