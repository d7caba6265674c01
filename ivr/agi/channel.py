"""A caller's channel over AGI, with the interface of a channel over ARI.

AGI carries out one command at a time and cannot interrupt one, and Asterisk drops keys between two commands. So a
command is always running: a sound that any key ends, or a wait for a key. What the call asks for is a queue.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ivr.agi.protocol import AgiAnswer, AgiConnection
from ivr.asterisk.channel import HOLD, HOLD_SECONDS, RECORDING_FORMAT
from ivr.asterisk.errors import AriError, ChannelGone
from ivr.asterisk.events import ChannelDtmfReceived, Event, PlaybackFinished, RecordingEnded, StasisEnd

ALL_KEYS: Final = "0123456789*#"
SPOOL: Final = "ASTSPOOLDIR"  # Asterisk's variable with its folder, in which ARI's recordings are
SLICE: Final = 0.1  # seconds of a wait for a key when the call may ask for something at any moment
LONGEST_WAIT: Final = 1.5  # seconds of a wait for a key while nothing plays: the time limit can be set between two
LONGEST_SILENCE: Final = 5.0  # seconds of one wait in a silence, which the limit covers
TURNS: Final = 20  # of the event loop, in which a call decides if a key ends what plays; it needs about five


@dataclass(slots=True)
class _Playback:
    """What is to be played, from `media[0]` at `offset` on. `silence`: seconds that are left of a silence."""

    id: str
    media: deque[str]
    language: str
    offset: int = 0
    silence: float = 0.0
    state: str = "done"
    stopped: bool = False


@dataclass(slots=True)
class _Request:
    """A command between two sounds, and its answer. `recording`: the name of what it records, if anything."""

    words: tuple[str, ...]
    done: asyncio.Future[AgiAnswer]
    recording: str

    def fail(self, error: AriError) -> None:
        if self.recording:
            self.done.cancel()  # no one waits for it: the end is an event
        elif not self.done.done():
            self.done.set_exception(error)


class AgiChannel:
    """A channel over AGI. Implements `ivr.asterisk.channel.Channel`. Run `serve` beside the call."""

    def __init__(
        self, connection: AgiConnection, *, channel_id: str, language: str, route: Callable[[Event], None]
    ) -> None:
        self.id = channel_id
        self._connection = connection
        self._language = language
        self._route = route
        self._playbacks: deque[_Playback] = deque()
        self._requests: deque[_Request] = deque()
        self._last: tuple[tuple[str, ...], ...] | None = None  # the commands before the channel is let go
        self._left: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._expected = 0.0
        self.recording = ""
        """The name of the recording that is being made."""

    async def serve(self) -> None:
        """Carry out what the call asks for, until the channel goes on in the dialplan or the caller is gone."""
        try:
            while not (self._last and not self._playbacks):
                if self._requests:
                    await self._carry_out(self._requests.popleft())
                elif self._playbacks:
                    await self._play_on(self._playbacks[0])
                else:
                    await self._wait_for_key()
            for words in self._last:
                await self._connection.command(*words)
        except ChannelGone:
            pass
        finally:
            self._end()

    async def play(self, playback_id: str, media: Sequence[str], language: str) -> None:
        self._check()
        self._playbacks.append(_Playback(playback_id, deque(media), language))

    async def stop(self, playback_id: str) -> None:
        for playback in self._playbacks:
            if playback.id == playback_id and not playback.stopped:
                playback.stopped = True
                return
        raise ChannelGone

    async def pause(self, playback_id: str) -> None:
        """Stop it: here keys are read one by one, whatever plays."""
        await self.stop(playback_id)

    async def playing(self, playback_id: str) -> bool:
        return any(each.id == playback_id for each in self._playbacks)

    def expect_keys(self, seconds: float) -> None:
        self._expected = seconds

    async def record(self, name: str, *, longest: int, silence: int) -> None:
        """Let Asterisk record next. Nothing can end it but the caller and the limits: AGI interrupts no command."""
        folder = (await self._request("GET", "VARIABLE", SPOOL)).text
        if not folder:
            raise AriError(f"no {SPOOL}")
        self._check()
        limits = (str(longest * 1000), f"s={silence}")
        self._queue(("RECORD", "FILE", f"{folder}/recording/{name}", RECORDING_FORMAT, ALL_KEYS, *limits), name)

    async def stop_recording(self, name: str) -> None:
        raise ChannelGone

    async def hangup(self) -> None:
        self._stop_all()
        await self._leave(("HANGUP",))

    async def leave(self, context: str, extension: str) -> None:
        self._stop_all()
        await self._leave(("SET", "CONTEXT", context), ("SET", "EXTENSION", extension), ("SET", "PRIORITY", "1"))

    async def finish(self) -> None:
        """Let what was sent be played, and hang up. Does not wait for that."""
        self._check()
        self._last = (("HANGUP",),)

    async def remember_language(self, language: str) -> None:
        """Do nothing: the channel gets the language of each sound."""

    async def set_rescue(self, seconds: int, *, waits: bool = False) -> None:
        await self._request("SET", "VARIABLE", "TIMEOUT(absolute)", str(seconds))

    async def _leave(self, *commands: tuple[str, ...]) -> None:
        self._check()
        self._last = commands
        await asyncio.shield(self._left)

    def _check(self) -> None:
        if self._left.done() or self._last:
            raise ChannelGone

    def _stop_all(self) -> None:
        for playback in self._playbacks:
            playback.stopped = True

    async def _request(self, *words: str) -> AgiAnswer:
        self._check()
        return await self._queue(words)

    def _queue(self, words: tuple[str, ...], recording: str = "") -> asyncio.Future[AgiAnswer]:
        request = _Request(words, asyncio.get_running_loop().create_future(), recording)
        self._requests.append(request)
        return request.done

    async def _carry_out(self, request: _Request) -> None:
        self.recording, failed = request.recording, False
        try:
            answer = await self._connection.command(*request.words)
        except AriError as error:
            failed = not isinstance(error, ChannelGone)
            request.fail(error)
            if not failed:
                raise
        else:
            if not request.done.done():
                request.done.set_result(answer)
        finally:
            self.recording = ""
            if request.recording:
                self._route(RecordingEnded(self.id, request.recording, failed))

    async def _play_on(self, playback: _Playback) -> None:
        """Play one sound of it, or wait in its silence, until its end or a key."""
        if playback.stopped or not (playback.media or playback.silence):
            self._playbacks.popleft()
            self._route(PlaybackFinished(self.id, playback.id, "cancelled" if playback.stopped else playback.state))
        elif playback.silence:
            seconds = min(playback.silence, LONGEST_SILENCE)
            playback.silence -= seconds
            await self._listen(seconds)
        elif _is_silence(playback.media[0]):
            holds = 0
            while playback.media and _is_silence(playback.media[0]):
                playback.media.popleft()
                holds += 1
            playback.silence = min(holds * HOLD_SECONDS, self._expected or holds * HOLD_SECONDS)
            self._expected = 0.0
        else:
            await self._stream(playback)

    async def _stream(self, playback: _Playback) -> None:
        """Play a sound. A key ends it: where the call does not stop the playback then, it goes on from that place."""
        try:
            if playback.language != self._language:
                await self._connection.command("SET", "VARIABLE", "CHANNEL(language)", playback.language)
                self._language = playback.language
            sound = playback.media[0].removeprefix("sound:")
            answer = await self._connection.command("STREAM", "FILE", sound, ALL_KEYS, str(playback.offset))
        except ChannelGone:
            raise
        except AriError:
            playback.media.popleft()
            playback.state = "failed"
            return
        if answer.result:
            playback.offset = answer.end
            await self._key(answer.result)
            return
        if answer.end <= playback.offset:
            playback.state = "failed"  # Asterisk could not open it
        playback.media.popleft()
        playback.offset = 0

    async def _wait_for_key(self) -> None:
        """Wait while nothing plays: as long as the call waits for a key, otherwise a moment."""
        seconds = min(self._expected or SLICE, LONGEST_WAIT)
        self._expected = max(self._expected - seconds, 0.0)  # before the wait, in which the call may expect keys again
        await self._listen(seconds)

    async def _listen(self, seconds: float) -> None:
        answer = await self._connection.command("WAIT", "FOR", "DIGIT", str(max(round(seconds * 1000), 1)))
        if answer.result:
            self._expected = 0.0
            await self._key(answer.result)

    async def _key(self, code: int) -> None:
        self._route(ChannelDtmfReceived(self.id, chr(code)))
        for _ in range(TURNS):
            await asyncio.sleep(0)

    def _end(self) -> None:
        self._connection.close()
        if not self._left.done():
            self._left.set_result(None)
        while self._requests:
            self._requests.popleft().fail(ChannelGone())
        self._route(StasisEnd(self.id))


def _is_silence(media: str) -> bool:
    return media.rpartition("/")[2] == HOLD
