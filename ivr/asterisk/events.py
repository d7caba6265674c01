"""Asterisk's events as types. `parse` takes any JSON value and never raises.

The shapes follow the events model of ARI 10 (`rest-api/api-docs/events.json` in Asterisk 22).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

LONGEST_ID: Final = 160  # Asterisk's own limit for a channel id is 149

APP_NAME: Final = "innringing"


@dataclass(frozen=True, slots=True)
class StasisStart:
    """A channel entered the application with arguments from the dialplan."""

    asterisk_id: str
    channel_id: str
    args: tuple[str, ...]
    caller_number: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class StasisEnd:
    """A channel left the application, either for the dialplan or because it ends."""

    channel_id: str


@dataclass(frozen=True, slots=True)
class ChannelAnswered:
    """A channel we dialled was answered: Asterisk's `ChannelStateChange` to `Up`."""

    channel_id: str


@dataclass(frozen=True, slots=True)
class ChannelHangupRequest:
    """The caller hung up, or was hung up on."""

    channel_id: str


@dataclass(frozen=True, slots=True)
class ChannelDestroyed:
    """A channel no longer exists. `cause` is a Q.850 code: 16 is a normal hang-up, 0 means that none was reported."""

    channel_id: str
    cause: int = 0


@dataclass(frozen=True, slots=True)
class ChannelDtmfReceived:
    """A key was pressed."""

    channel_id: str
    digit: str = field(repr=False)
    ended_at: float | None = None  # Unix time, by Asterisk's clock
    seconds: float = 0.0  # how long it was held

    def echoes(self, earlier: ChannelDtmfReceived | None) -> bool:
        """Whether this is the press of `earlier`, reported twice: its start lies well before the end of that one.

        With late packets (a busy machine, a bad network) Asterisk ends a press by itself, and again when the end
        arrives, 20 to 50 ms later. No finger is that fast.
        """
        if earlier is None or earlier.ended_at is None or self.ended_at is None or self.digit != earlier.digit:
            return False
        return 0 <= self.ended_at - earlier.ended_at < self.seconds / 2


@dataclass(frozen=True, slots=True)
class PlaybackFinished:
    """A playback ended; `state` is `done`, `failed` or `cancelled`."""

    channel_id: str
    playback_id: str
    state: str


@dataclass(frozen=True, slots=True)
class RecordingEnded:
    """A recording of a channel ended and its file is written. `failed` is as reported by Asterisk."""

    channel_id: str
    name: str
    failed: bool


@dataclass(frozen=True, slots=True)
class ApplicationReplaced:
    """Another connection took over the application's name. No more events arrive here."""


ChannelEvent = (
    StasisStart
    | StasisEnd
    | ChannelAnswered
    | ChannelHangupRequest
    | ChannelDestroyed
    | ChannelDtmfReceived
    | PlaybackFinished
    | RecordingEnded
)
Event = ChannelEvent | ApplicationReplaced

WANTED: Final = (
    "StasisStart",
    "StasisEnd",
    "ChannelStateChange",
    "ChannelHangupRequest",
    "ChannelDestroyed",
    "ChannelDtmfReceived",
    "PlaybackFinished",
    "RecordingFinished",
    "RecordingFailed",
    "ApplicationReplaced",
)


def parse(message: Any) -> Event | None:
    """Parse a message. None for events that we do not use and for malformed ones."""
    match message:
        case {"type": "ChannelDtmfReceived", "channel": {"id": str(channel)}, "digit": str(digit), **rest}:
            held = rest.get("duration_ms")
            seconds = held / 1000 if isinstance(held, int) else 0.0
            event: ChannelEvent | None = ChannelDtmfReceived(channel, digit, _moment(rest.get("timestamp")), seconds)
        case {"type": "PlaybackFinished", "playback": {"id": str(playback), "target_uri": str(target), **rest}}:
            channel = target.removeprefix("channel:")
            event = PlaybackFinished(channel, playback, str(rest.get("state", "done")))
        case {"type": "RecordingFinished" | "RecordingFailed" as type_, "recording": {"name": str(name), **rest}}:
            channel = str(rest.get("target_uri", "")).removeprefix("channel:")
            event = RecordingEnded(channel, name, failed=type_ == "RecordingFailed") if _is_id(name) else None
        case {"type": "StasisStart", "args": [*args], "channel": {"id": str(channel)} as json}:
            if not all(isinstance(arg, str) and arg.isascii() for arg in args):
                return None
            event = StasisStart(_asterisk_id(message), channel, tuple(args), _caller_number(json))
        case {"type": "StasisEnd", "channel": {"id": str(channel)}}:
            event = StasisEnd(channel)
        case {"type": "ChannelStateChange", "channel": {"id": str(channel), "state": "Up"}}:
            event = ChannelAnswered(channel)
        case {"type": "ChannelHangupRequest", "channel": {"id": str(channel)}}:
            event = ChannelHangupRequest(channel)
        case {"type": "ChannelDestroyed", "channel": {"id": str(channel)}, **rest}:
            cause = rest.get("cause")
            event = ChannelDestroyed(channel, cause if isinstance(cause, int) else 0)
        case {"type": "ApplicationReplaced"}:
            return ApplicationReplaced()
        case _:
            return None
    return event if event and _is_id(event.channel_id) else None


def parse_channel(json: Any, asterisk_id: str) -> StasisStart | None:
    """Rebuild the StasisStart of a channel from its JSON. None if the channel is not in the application.

    The language, its second argument, is the one the channel has now.
    """
    match json:
        case {"id": str(channel), "dialplan": {"app_name": "Stasis", "app_data": str(data)}}:
            name, *args = data.split(",")
            if len(args) > 1 and isinstance(language := json.get("language"), str):
                args[1] = language
            return StasisStart(asterisk_id, channel, tuple(args), _caller_number(json)) if name == APP_NAME else None
        case _:
            return None


def _moment(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (OverflowError, TypeError, ValueError):
        return None


def _is_id(text: str) -> bool:
    return 0 < len(text) <= LONGEST_ID and text.isascii() and text.isprintable()


def _asterisk_id(message: dict[str, Any]) -> str:
    asterisk_id = message.get("asterisk_id")
    return asterisk_id if isinstance(asterisk_id, str) and _is_id(asterisk_id) else ""


def _caller_number(channel: dict[str, Any]) -> str | None:
    match channel:
        case {"caller": {"number": str(number)}} if number:
            return number
        case _:
            return None
