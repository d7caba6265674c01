"""The standby's door: Asterisk connects once per call, and each connection is a channel for the controller."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, NoReturn

import structlog

from ivr.agi.channel import AgiChannel
from ivr.agi.protocol import LONGEST_LINE, AgiConnection
from ivr.asterisk.ari import Admit, Reconcile, Route
from ivr.asterisk.errors import ChannelGone, IvrError
from ivr.asterisk.events import LONGEST_ID, StasisStart

log = structlog.get_logger(__name__)

DESCRIBED_WITHIN: Final = 5.0  # seconds
MOST_CONNECTIONS: Final = 1000


class StandbyPortTaken(IvrError):
    """The standby cannot listen at INNRINGING_STANDBY_HOST and INNRINGING_STANDBY_PORT."""


class AgiDoor:
    """A FastAGI server as the controller sees it. Implements `InboundChannels`.

    The arguments of `AGI()` in the dialplan are Asterisk's id, and then those of `Stasis()`.
    """

    def __init__(self, *, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._route: Route | None = None
        self._channels: dict[str, AgiChannel] = {}
        self._connections = 0

    @property
    def asterisk_id(self) -> str:
        """Empty: each call names its own Asterisk."""
        return ""

    async def run(self, route: Route, reconcile: Reconcile, admit: Admit) -> NoReturn:
        """Listen for ever. Calls that an earlier standby left are in the dialplan. Raises StandbyPortTaken."""
        self._route = route
        try:
            self._server = await asyncio.start_server(self._accept, self._host, self._port, limit=LONGEST_LINE)
        except OSError:
            raise StandbyPortTaken(f"{self._host}:{self._port}") from None
        log.info("The standby listens", host=self._host, port=self._port)
        try:
            await asyncio.Event().wait()
            raise AssertionError("unreachable")
        finally:
            self._server.close()

    async def leave(self) -> None:
        """Stop listening. Asterisk rescues new callers at once; connections go on."""
        if self._server:
            self._server.close()

    def channel(self, channel_id: str) -> AgiChannel:
        """Return the channel of a connected call."""
        return self._channels[channel_id]

    def recordings(self) -> frozenset[str]:
        """Return the names of the recordings that callers make now."""
        return frozenset(channel.recording for channel in self._channels.values() if channel.recording)

    async def channel_ids(self) -> frozenset[str]:
        return frozenset(self._channels)

    async def found(self, channel_id: str) -> StasisStart | None:
        """None: a call is known from its connection alone."""
        return None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = AgiConnection(reader, writer)
        if self._connections >= MOST_CONNECTIONS:
            log.warning("Refused a caller, because there are too many", calls=self._connections)
            connection.close()
            return
        self._connections += 1
        try:
            await self._serve(connection)
        except Exception as error:  # must not affect other calls
            log.error("A connection from Asterisk failed", error=type(error).__name__)
        finally:
            self._connections -= 1
            connection.close()

    async def _serve(self, connection: AgiConnection) -> None:
        try:
            async with asyncio.timeout(DESCRIBED_WITHIN):
                start = _start_of(described := await connection.description())
        except (ChannelGone, TimeoutError):
            return
        if start is None or self._route is None:  # an empty description asks if we live: the end is the answer
            if described:
                log.warning("Refused a connection that is no call of ours")
            return
        channel = AgiChannel(
            connection, channel_id=start.channel_id, language=described.get("language", ""), route=self._route
        )
        self._channels[start.channel_id] = channel
        try:
            self._route(start)
            await channel.serve()
        finally:
            if self._channels.get(start.channel_id) is channel:
                del self._channels[start.channel_id]


def _start_of(described: Mapping[str, str]) -> StasisStart | None:
    """Return the call as the controller expects it. None for one that our dialplan did not send."""
    channel_id, asterisk_id = described.get("uniqueid", ""), described.get("arg_1", "")
    arguments = tuple(described.get(f"arg_{n}", "") for n in range(2, 6))
    ids_fit = all(0 < len(each) <= LONGEST_ID and each.isascii() for each in (channel_id, asterisk_id))
    if not ids_fit or not all(each.isascii() for each in arguments):
        return None
    number = described.get("callerid", "")
    return StasisStart(asterisk_id, channel_id, arguments, None if number in ("", "unknown") else number)
