"""A few requests to Asterisk without a connection for events, for a process that serves no calls over ARI."""

from __future__ import annotations

import base64
import ssl
from contextlib import suppress
from typing import Final
from urllib.parse import quote

from ivr.asterisk.errors import ChannelGone
from ivr.asterisk.events import APP_NAME
from ivr.asterisk.transport import Http

SECONDS: Final = 2.0  # for each request


class BareAri:
    """Our application in Asterisk, seen from outside. Every method may raise an AriError."""

    def __init__(self, *, base_url: str, user: str, password: str, tls: ssl.SSLContext | None = None) -> None:
        """`base_url` is Asterisk's HTTP server. Call `close` at the end."""
        self._ari = f"{base_url.rstrip('/')}/ari/"
        authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self._http = Http(f"{base_url.rstrip('/')}/", authorization, SECONDS, SECONDS, tls)

    async def channel_ids(self) -> frozenset[str]:
        """Return the ids of the channels that are in the application, whether or not anyone serves them."""
        try:
            found = (await self._http.request("GET", f"{self._ari}applications/{APP_NAME}")).json()
        except ChannelGone:  # no such application: no one is in it
            return frozenset()
        match found:
            case {"channel_ids": [*ids]}:
                return frozenset(each for each in ids if isinstance(each, str))
            case _:
                return frozenset()

    async def language(self, channel_id: str) -> str | None:
        """Return the language of a channel; None if it is gone."""
        try:
            found = (await self._http.request("GET", f"{self._ari}channels/{quote(channel_id, safe='')}")).json()
        except ChannelGone:
            return None
        match found:
            case {"language": str(language)}:
                return language
            case _:
                return None

    async def stop(self, playback_id: str) -> None:
        """Stop a playback, if there is one of this id."""
        with suppress(ChannelGone):
            await self._http.request("DELETE", f"{self._ari}playbacks/{quote(playback_id, safe='')}")

    async def leave(self, channel_id: str, context: str, extension: str) -> None:
        """Send a channel into the dialplan, if it is still there."""
        where = {"context": context, "extension": extension, "priority": "1"}
        with suppress(ChannelGone):
            await self._http.request("POST", f"{self._ari}channels/{quote(channel_id, safe='')}/continue", params=where)

    async def recordings(self) -> list[str]:
        """Return the names of all stored recordings, also unfinished ones."""
        match (await self._http.request("GET", f"{self._ari}recordings/stored")).json():
            case [*found]:
                names = [each.get("name") for each in found if isinstance(each, dict)]
                return [name for name in names if isinstance(name, str)]
            case _:
                return []

    async def recording(self, name: str) -> bytes | None:
        """Return the content of a stored recording. None if there is no such file."""
        try:
            return (await self._http.request("GET", f"{self._stored(name)}/file")).body
        except ChannelGone:
            return None

    async def delete_recording(self, name: str) -> None:
        """Delete a stored recording, if it exists."""
        with suppress(ChannelGone):
            await self._http.request("DELETE", self._stored(name))

    def _stored(self, name: str) -> str:
        return f"{self._ari}recordings/stored/{quote(name, safe='')}"

    async def close(self) -> None:
        await self._http.close()
