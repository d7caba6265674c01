"""The connection to Asterisk. Only this module imports aioari.

aioari is the transport. This module adds what it lacks: authentication in a header instead of in the URL, timeouts, a
heartbeat, our own errors, reconnection, and an event filter.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import random
import ssl
import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

import structlog

from ivr.asterisk.channel import RECORDING_FORMAT
from ivr.asterisk.errors import (
    AriError,
    AriMistrusted,
    AriRefused,
    AriReplaced,
    AriUnavailable,
    ChannelGone,
    NotReachable,
)
from ivr.asterisk.events import APP_NAME, WANTED, ApplicationReplaced, Event, StasisStart, parse, parse_channel
from ivr.asterisk.reply import Reply
from ivr.asterisk.transport import Http

with warnings.catch_warnings():  # invalid escape sequences in their source warn when first compiled
    warnings.simplefilter("ignore")
    import aioari

log = structlog.get_logger(__name__)

REST_TIMEOUT: Final = 4.0  # seconds
HEARTBEAT: Final = 10.0  # seconds between pings; the pong must arrive within half of it
FIRST_DELAY: Final = 0.1
LONGEST_DELAY: Final = 0.5  # callers who were left in silence wait for it
LOG_EVERY: Final = 80  # failed attempts between two log lines

Route = Callable[[Event], None]
Reconcile = Callable[[], Awaitable[None]]
Admit = Callable[[str], Awaitable[None]]


async def admit_at_once(_asterisk_id: str) -> None:
    """Let this process connect: no other one serves this Asterisk."""


class Ari:
    """A client of Asterisk, connected while `run` runs. Every request raises an AriError when it fails."""

    def __init__(
        self,
        *,
        base_url: str,
        user: str,
        password: str,
        rest_timeout: float = REST_TIMEOUT,
        heartbeat: float = HEARTBEAT,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`base_url` is Asterisk's HTTP server, with or without a trailing `/ari`. Time limits are in seconds.

        `tls` is for https with a certificate from an authority that this machine does not trust by default.
        """
        self._base_url = base_url.rstrip("/").removesuffix("/ari") + "/"
        self._authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self._rest_timeout = rest_timeout
        self._heartbeat = heartbeat
        self._tls = tls
        self._client: aioari.Client | None = None
        self._http: Http | None = None
        self._asterisk_id = ""
        self._replaced = False
        self._left = asyncio.Event()
        self.connected = False
        for name in ("aioari", "aioswagger11"):  # they log whole events and requests, including digits
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)

    @property
    def asterisk_id(self) -> str:
        """The id of the connected Asterisk, which survives its restarts. Empty before the first connection."""
        return self._asterisk_id

    async def run(self, route: Route, reconcile: Reconcile, admit: Admit = admit_at_once) -> NoReturn:
        """Stay connected forever. `route` gets every event and must not block; `reconcile` runs after each connect.

        `admit` gets Asterisk's id, and returns when this process may open its websocket.

        Raises AriReplaced if another controller takes our place. Raises AriRefused for a wrong password and
        AriMistrusted for an untrusted certificate, but only before the first successful connection. It survives
        everything else, including restarts of Asterisk.
        """
        accepted = False
        tries = 0
        while not self._left.is_set():
            try:
                await self._stay_connected(route, reconcile, admit)
                error: AriError = AriUnavailable("connection closed")
            except AriReplaced:
                self.connected = False
                raise
            except (AriRefused, AriMistrusted) as refused:
                if not (accepted or self.connected):
                    raise
                error = refused
            except AriError as failed:
                error = failed
            if self.connected:
                accepted, tries, self.connected = True, 0, False
                log.warning("Lost the connection to Asterisk", error=str(error))
            elif tries % LOG_EVERY == 0:
                log.warning("Waiting for Asterisk", address=self._base_url, error=str(error))
            await asyncio.sleep(min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(tries, 8)) * random.uniform(0.5, 1))
            tries += 1
        await _forever()

    async def leave(self) -> None:
        """Leave the application: events end, and new calls go on in the dialplan. Requests are still sent."""
        self._left.set()
        if self._http:
            await self._http.leave()

    def channel(self, channel_id: str) -> AriChannel:
        """Return the channel with this id. It need not exist."""
        return AriChannel(self, channel_id)

    async def channel_ids(self) -> frozenset[str]:
        """Return the ids of the channels that are in the application now."""
        application = await self.request("applications", "get", applicationName=APP_NAME)
        match application:
            case {"channel_ids": [*ids]}:
                return frozenset(id_ for id_ in ids if isinstance(id_, str))
            case _:
                return frozenset()

    async def found(self, channel_id: str) -> StasisStart | None:
        """Rebuild the StasisStart of a channel in the application. None if the channel is not in it any more."""
        try:
            return parse_channel(await self.request("channels", "get", channelId=channel_id), self._asterisk_id)
        except ChannelGone:
            return None

    async def is_registered(self, phone: str) -> bool:
        """Whether this phone is registered at this Asterisk, or has a fixed address there."""
        try:
            endpoint = await self.request("endpoints", "get", tech="PJSIP", resource=phone)
        except ChannelGone:
            return False
        return isinstance(endpoint, dict) and endpoint.get("state") == "online"

    async def channels(self) -> frozenset[str]:
        """Return the ids of all channels, also those outside the application."""
        return _ids(await self.request("channels", "list"))

    async def bridges(self) -> frozenset[str]:
        """Return the ids of all bridges."""
        return _ids(await self.request("bridges", "list"))

    async def started_at(self) -> datetime:
        """Return when this Asterisk started, as aware UTC."""
        match await self.request("asterisk", "getInfo", only="status"):
            case {"status": {"startup_time": str(moment)}}:
                try:
                    return datetime.fromisoformat(moment).astimezone(UTC)
                except ValueError:
                    raise AriError("no start-up time") from None
            case _:
                raise AriError("no start-up time")

    async def create(
        self, channel_id: str, endpoint: str, *, args: Sequence[str], caller_id: str, longest: int
    ) -> None:
        """Create a channel to an endpoint, which `dial` then calls. `longest` is the maximum call length in seconds.

        ARI's `originate` is not used: when the phone redirects (302), it calls any destination the phone names.
        Asterisk refuses to dial before the channel has entered the application, which a StasisStart with `args`
        reports. Raises NotReachable when there is nothing to dial.
        The endpoint is sent in the body because it contains a phone number, which must not appear in a URL.
        """
        body = {
            "channelId": channel_id,
            "endpoint": endpoint,
            "app": APP_NAME,
            "appArgs": ",".join(args),
            "variables": {
                "CALLERID(num)": caller_id,
                "CONNECTEDLINE(num,i)": caller_id,  # the number that the phone shows
                "TIMEOUT(absolute)": str(longest),
            },
        }
        await self._post_call("channels/create", body)

    async def dial(self, channel_id: str, *, seconds: int) -> None:
        """Call the endpoint of a created channel for up to `seconds`. Raises NotReachable."""
        await self._post_call(f"channels/{channel_id}/dial", {"timeout": seconds})

    async def _post_call(self, path: str, body: Mapping[str, Any]) -> None:
        if self._http is None or self._client is None:
            raise AriUnavailable
        try:
            await self._http.post(path, body)
        except AriUnavailable as error:
            if (error.detail or "").startswith("HTTP 5"):  # Asterisk's response when the phone is not registered
                raise NotReachable from None
            raise
        except AriError as error:
            raise NotReachable(error.detail) from None

    async def ring(self, channel_id: str) -> None:
        """Play the ringing tone to a channel."""
        await self.request("channels", "ring", channelId=channel_id)

    async def ring_stop(self, channel_id: str) -> None:
        await self.request("channels", "ringStop", channelId=channel_id)

    async def bridge(self, bridge_id: str, channel_ids: Sequence[str]) -> None:
        """Connect these channels in a new bridge with this id."""
        await self.request("bridges", "createWithId", bridgeId=bridge_id, type="mixing")
        await self.request("bridges", "addChannel", bridgeId=bridge_id, channel=list(channel_ids))

    async def destroy_bridge(self, bridge_id: str) -> None:
        """Destroy the bridge. Its channels stay up."""
        await self.request("bridges", "destroy", bridgeId=bridge_id)

    async def hangup(self, channel_id: str) -> None:
        await self.channel(channel_id).hangup()

    async def fetch(self, resource: str, operation: str, **parameters: Any) -> bytes:
        """Like `request`, but return the raw body."""
        return (await self._send(resource, operation, **parameters)).body

    async def request(self, resource: str, operation: str, /, **parameters: Any) -> Any:
        """Send a request named as in ARI's API description, and return the JSON of the response, or None."""
        return (await self._send(resource, operation, **parameters)).json()

    async def set_variable(self, channel_id: str, variable: str, value: str, *, waits: bool = False) -> None:
        """Set a channel variable or function. The request may wait for the channel, so it has connections of its own.

        `waits`: for up to a minute, behind a recording. `value` travels in the URL: never a caller's number or digits.
        """
        if self._http is None:
            raise AriUnavailable
        await self._http.set_variable(channel_id, variable, value, waits=waits)

    async def _send(self, resource: str, operation: str, /, **parameters: Any) -> Reply:
        if self._client is None:
            raise AriUnavailable
        send = self._client.swagger.get_resource(resource).get_operation(operation)
        try:
            reply: Reply = await send(**parameters)
        except (TypeError, ValueError) as error:  # an unknown parameter, or text that does not fit in a URL
            raise AriError(f"{operation}: {type(error).__name__}") from None
        return reply

    async def _stay_connected(self, route: Route, reconcile: Reconcile, admit: Admit) -> None:
        http = Http(self._base_url, self._authorization, self._rest_timeout, self._heartbeat, self._tls)
        try:
            client = aioari.Client(self._base_url, http)
            try:
                await client.init()
            except (ChannelGone, KeyError, TypeError, ValueError) as error:
                raise AriUnavailable("no ARI at this address, or it is not ready yet") from error
            self._replaced = False
            self._asterisk_id = await http.asterisk_id()
            await admit(self._asterisk_id)
            http.handle = self._router(client, route)
            await self._listen(client, http, reconcile)
        finally:
            self._client = self._http = None
            await http.close()

    async def _listen(self, client: aioari.Client, http: Http, reconcile: Reconcile) -> None:
        """Read events until the connection ends. Set the filter and reconcile concurrently, once it is open."""
        reading = asyncio.create_task(client.run(APP_NAME))
        greeting = asyncio.create_task(self._greet(client, http, reconcile))
        try:
            await asyncio.wait((reading, greeting), return_when=asyncio.FIRST_COMPLETED)
            if greeting.done():
                greeting.result()
            await reading
        finally:
            for task in (reading, greeting):
                task.cancel()
            await asyncio.gather(reading, greeting, return_exceptions=True)
        if self._left.is_set():
            await _forever()  # the session stays open for the last requests, until `run` is cancelled
        if self._replaced:
            raise AriReplaced

    async def _greet(self, client: aioari.Client, http: Http, reconcile: Reconcile) -> None:
        await http.opened.wait()
        self._client, self._http = client, http  # the first call may be here already
        await http.set_filter(WANTED)
        self.connected = True
        log.info("Connected to Asterisk", address=self._base_url)
        await reconcile()

    def _router(self, client: aioari.Client, route: Route) -> Callable[[dict[str, Any]], Awaitable[None] | None]:
        def routed(message: dict[str, Any]) -> Awaitable[None] | None:
            event = parse(message)
            if isinstance(event, ApplicationReplaced):
                self._replaced = True
                closing: Awaitable[None] = client.close()
                return closing
            if event is None:
                log.debug("Skipped an event", event_type=str(message.get("type"))[:40])
            else:
                route(event)
            return None

        return routed


class AriChannel:
    """A channel in Asterisk. Implements `ivr.asterisk.channel.Channel`."""

    __slots__ = ("_ari", "id")

    def __init__(self, ari: Ari, channel_id: str) -> None:
        self._ari = ari
        self.id = channel_id

    async def play(self, playback_id: str, media: Sequence[str], language: str) -> None:
        await self._ari.request(
            "channels", "playWithId", channelId=self.id, playbackId=playback_id, media=list(media), lang=language
        )

    async def stop(self, playback_id: str) -> None:
        await self._ari.request("playbacks", "stop", playbackId=playback_id)

    async def pause(self, playback_id: str) -> None:
        await self._ari.request("playbacks", "control", playbackId=playback_id, operation="pause")

    async def playing(self, playback_id: str) -> bool:
        try:
            await self._ari.request("playbacks", "get", playbackId=playback_id)
        except ChannelGone:
            return False
        return True

    def expect_keys(self, seconds: float) -> None:
        """Do nothing: Asterisk reports keys at all times."""

    async def record(self, name: str, *, longest: int, silence: int) -> None:
        await self._ari.request(
            "channels",
            "record",
            channelId=self.id,
            name=name,
            format=RECORDING_FORMAT,
            maxDurationSeconds=longest,
            maxSilenceSeconds=silence,
            ifExists="fail",
            terminateOn="any",
        )

    async def stop_recording(self, name: str) -> None:
        await self._ari.request("recordings", "stop", recordingName=name)

    async def hangup(self) -> None:
        await self._ari.request("channels", "hangup", channelId=self.id)

    async def leave(self, context: str, extension: str) -> None:
        await self._ari.request(
            "channels", "continueInDialplan", channelId=self.id, context=context, extension=extension, priority=1
        )

    async def finish(self) -> None:
        await self._ari.request("channels", "continueInDialplan", channelId=self.id)

    async def remember_language(self, language: str) -> None:
        await self._ari.set_variable(self.id, "CHANNEL(language)", language)

    async def set_rescue(self, seconds: int, *, waits: bool = False) -> None:
        await self._ari.set_variable(self.id, "TIMEOUT(absolute)", str(seconds), waits=waits)


async def _forever() -> NoReturn:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


def _ids(found: Any) -> frozenset[str]:
    """Return the ids in a list of channels or bridges."""
    match found:
        case [*each]:
            return frozenset(one["id"] for one in each if isinstance(one, dict) and isinstance(one.get("id"), str))
        case _:
            return frozenset()
