"""A call: what a dialogue can do with a caller. Knows neither ARI nor the desk's storage."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import structlog

from desk.callbacks.model import CallKey, IncompleteStep
from ivr.asterisk.channel import CallerId as CallerId
from ivr.asterisk.channel import Channel
from ivr.asterisk.channel import Keys as Keys
from ivr.asterisk.errors import AriError, AriUnavailable, ChannelGone, NotInStasis

log = structlog.get_logger(__name__)

SOUNDS: Final = "innringing"
KEYS: Final = frozenset("0123456789*#")
CHECK_AFTER: Final = 15.0  # seconds of a playback without an event before Asterisk is asked if it still plays
CHECK_EVERY: Final = 5.0
LONGEST_PLAYBACK: Final = 90.0
MOST_AT_ONCE: Final = 10  # prompts in one playback: Asterisk puts a time limit ahead only between playbacks
LONE_KEY: Final = 4.0  # seconds without a further key after which keys that mean something alone are taken to be alone
KEY_TONE: Final = "key_tone"
PAUSE: Final = "pause"
HELD_PAUSES: Final = 40  # of silence after a key's tone: ten seconds, longer than any next key is waited for
RECORDING_GRACE: Final = 5.0  # seconds after which the end of a recording, if not told, is brought about
RESCUE_AFTER_RECORDING: Final = 30  # seconds; while it records, Asterisk takes no longer time limit for a channel
LATE_HASH: Final = 2.0  # seconds in which a '#' keyed after the last digit still belongs to the number before it


class CallerHungUp(Exception):
    """The caller is gone. Raised by every telephony await; only the controller catches it."""


@dataclass(slots=True)
class _Playback:
    id: str
    barge_in: bool
    outcome: asyncio.Future[str]  # "done", "failed", "cancelled" from Asterisk; "key", "lost", "gone" from here


class Call:
    """One caller on the line. Digits are kept from the first to the last moment, also those keyed between prompts.

    A dialogue uses it from one task. `key_pressed`, `playback_finished`, `events_lost` and `ended` are the
    controller's: they never wait.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        key: CallKey,
        department: str,
        language: str,
        caller: CallerId,
        sounds: str = SOUNDS,
    ) -> None:
        """`sounds` is the folder of prompts, under Asterisk's sounds, that this call hears from first to last."""
        self.key = key
        self.department = department
        self.language = language
        self.caller = caller
        self.interrupted_at: IncompleteStep | None = None
        self.key_tone = False
        """Whether the caller hears a soft tone for each key taken."""
        self._channel = channel
        self._sounds = sounds
        self._keys: deque[str] = deque()
        self._key_waiter: asyncio.Future[None] | None = None
        self._playback: _Playback | None = None
        self._held: str | None = None  # the playback that holds the line open between keys
        self._recording: tuple[str, asyncio.Future[str]] | None = None  # name, and how it ended: done, lost, gone
        self._number_ended_at = float("-inf")
        self._stray_until = float("-inf")
        self._stray_seconds = 0.0
        self._gone = False
        self._waits = 0
        self._idle_since = asyncio.get_running_loop().time()

    @property
    def idle(self) -> float:
        """Seconds since the caller last heard or could key anything; 0 while they do."""
        return 0.0 if self._waits else asyncio.get_running_loop().time() - self._idle_since

    @property
    def is_recorded(self) -> bool:
        """Whether the caller is being recorded: until that ends, Asterisk carries out nothing else for the channel."""
        return self._recording is not None

    @property
    def live(self) -> bool:
        """Whether the caller is still on the line and with us."""
        return not self._gone

    @contextmanager
    def at(self, step: IncompleteStep) -> Iterator[None]:
        """Name the part of the conversation inside, so that a hang-up in it can be told by where it happened."""
        try:
            yield
        except Exception:
            self.interrupted_at = self.interrupted_at or step  # the innermost counts
            raise

    async def play(self, *prompts: str, barge_in: bool = False) -> None:
        """Play prompts until heard; with `barge_in` a key ends or skips them. What fails is logged and passed over."""
        self._check()
        for first in range(0, len(prompts), MOST_AT_ONCE):
            if not (barge_in and self._keys):
                await self._play_in_one(*prompts[first : first + MOST_AT_ONCE], barge_in=barge_in)

    async def _play_in_one(self, *prompts: str, barge_in: bool) -> None:
        playback = _Playback(uuid4().hex, barge_in, asyncio.get_running_loop().create_future())
        self._playback = playback  # before the request: its end may be told before the request is answered
        try:
            media = [f"sound:{self._sounds}/{prompt}" for prompt in prompts]
            try:
                await self._command(self._channel.play(playback.id, media, self.language))
            except AriUnavailable:
                raise
            except AriError as error:
                log.error("A prompt could not be played", prompts=prompts, error=str(error))
                return
            finally:
                await self._let_go()
            with self._occupied():
                outcome = await self._playback_end(playback)
        finally:
            self._playback = None
        if outcome == "key":
            if self.key_tone:
                await self._hold_line(*(PAUSE,) * HELD_PAUSES)
            await self._stop(playback.id)
        elif outcome == "failed":
            log.error("A prompt could not be played", prompts=prompts, error="playback failed")
        self._check()

    async def collect(self, *, digits: int, first: float, between: float, alone: Collection[str] = ()) -> Keys:
        """Take up to `digits` keys: `first` seconds for the first one, `between` for each next one.

        '#' ends, '*' starts over. Keys pressed earlier and not yet taken come first. After one of `alone` (keys that
        mean something by themselves: «0», «113») the next key is waited for LONE_KEY seconds, however patient we are.
        """
        keyed = ""
        while len(keyed) < digits:
            wait = min(between, LONE_KEY) if keyed in alone else between
            match await self._next_key(wait if keyed else first):
                case None:
                    return Keys(keyed, "timeout" if keyed else "silence")
                case "#":
                    await self._sound_key(last=True)
                    return Keys(keyed, "hash")
                case "*":
                    keyed = ""
                case key:
                    keyed += key
            await self._sound_key(last=len(keyed) == digits)
        self._number_ended()
        return Keys(keyed, "complete")

    async def ask(self, *prompts: str, digits: int, first: float, between: float, alone: Collection[str] = ()) -> Keys:
        """Play prompts, which the first key ends, and collect the answer."""
        await self.play(*prompts, barge_in=True)
        return await self.collect(digits=digits, first=first, between=between, alone=alone)

    async def menu(self, *prompts: str, choices: str, tries: int, first: float) -> str | None:
        """Ask for one key of `choices`, up to `tries` times. None: silence or wrong keys to the last."""
        for _ in range(tries):
            keys = await self.ask(*prompts, digits=1, first=first, between=first)
            key = "#" if keys.ended == "hash" else keys.digits
            if key and key in choices:
                return key
        return None

    async def record(self, name: str, *, longest: int, silence: int) -> None:
        """Record what the caller says from now on, and wait for the end: `longest` seconds, `silence` seconds, a key.

        Asterisk keeps it under `name`, also when the caller hangs up. What it holds, if anything, is not told here. No
        key can be heard in it: what was keyed before is gone, and whatever is pressed ends it and is no answer.
        """
        self._check()
        self.forget_keys()
        outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._recording = name, outcome
        try:
            await self._command(self._channel.set_rescue(longest + RESCUE_AFTER_RECORDING))
            await self._command(self._channel.record(name, longest=longest, silence=silence))
            with self._occupied():
                done, _ = await asyncio.wait((outcome,), timeout=longest + RECORDING_GRACE)
            if not done or outcome.result() == "lost":
                await self._stop_recording(name)
        except AriError as error:
            log.error("A caller could not be recorded", error=str(error))
            await self._stop_recording(name)  # it may have begun, though we were not told
        finally:
            self._recording = None
        self.forget_keys()
        self._check()

    def forget_keys(self, *, stray: float = 0.0) -> None:
        """Drop what was keyed ahead, so that the next prompt is heard («that was wrong, once more»).

        Keys less than `stray` seconds from now, or from the last such key, are let go by too: a digit too many belongs
        to the number before it and answers nothing.
        """
        self._keys.clear()
        self._stray_seconds = stray
        self._stray_until = asyncio.get_running_loop().time() + stray

    async def hangup(self) -> None:
        """Hang up. Quiet if the caller was faster."""
        if self._gone:
            return
        try:
            await self._channel.hangup()
        except AriError as error:
            log.info("Hanging up was not needed or not possible", error=str(error))
        self.ended()

    async def to_switchboard(self) -> None:
        """Hand the caller over to the switchboard; the conversation is over after it."""
        await self._leave("switchboard", "s")

    async def to_urgent_line(self) -> None:
        """Hand the caller over to those who answer the department's urgent calls; the conversation is over after it."""
        await self._leave("urgent-line", self.department)

    async def _leave(self, context: str, extension: str) -> None:
        self._check()
        if self._recording:
            await self._stop_recording(self._recording[0])  # until it ends, Asterisk lets no one go
        try:
            await self._channel.leave(context, extension)
        except (ChannelGone, NotInStasis):
            self.ended()
            self._check()
        self.ended()  # that the channel left may be told before this request is answered: no hang-up

    async def keep_from_rescue(self, seconds: int) -> None:
        """Put the dialplan's rescue of this caller `seconds` ahead from now. The controller's."""
        try:
            await self._channel.set_rescue(seconds)
        except (ChannelGone, NotInStasis):
            self.ended()

    def key_pressed(self, key: str) -> None:
        """The caller pressed a key: kept first, then the prompt playing is ended if it may be."""
        if key not in KEYS:  # A to D exist in DTMF, not on a telephone
            return
        if key == "#" and asyncio.get_running_loop().time() - self._number_ended_at < LATE_HASH:
            self._number_ended_at = float("-inf")  # ends a number that was complete already
            return
        if asyncio.get_running_loop().time() < self._stray_until:
            self._stray_until = asyncio.get_running_loop().time() + self._stray_seconds
            return
        self._keys.append(key)
        if self._playback and self._playback.barge_in:
            _resolve(self._playback.outcome, "key")
        _resolve(self._key_waiter, None)

    def playback_finished(self, playback_id: str, state: str) -> None:
        """Asterisk finished a playback; `state` is done, failed or cancelled. Old ones do not matter."""
        if self._playback and self._playback.id == playback_id:
            _resolve(self._playback.outcome, state)

    def recording_ended(self, name: str) -> None:
        """Asterisk has ended a recording, and its file is whole."""
        if self._recording and self._recording[0] == name:
            _resolve(self._recording[1], "done")

    def events_lost(self) -> None:
        """The connection to Asterisk was gone for a while: what was awaited may have happened unseen."""
        if self._recording:
            _resolve(self._recording[1], "lost")
        if self._playback:
            _resolve(self._playback.outcome, "lost")

    def ended(self) -> None:
        """The caller hung up or is in the dialplan now. Once is enough; more does nothing."""
        self._gone = True
        if self._playback:
            _resolve(self._playback.outcome, "gone")
        if self._recording:
            _resolve(self._recording[1], "gone")
        _resolve(self._key_waiter, None)

    async def _playback_end(self, playback: _Playback) -> str:
        """Wait for the end; where no event tells, ask Asterisk, and give up on one that never ends."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LONGEST_PLAYBACK
        wait = CHECK_AFTER
        while loop.time() < deadline:
            done, _ = await asyncio.wait((playback.outcome,), timeout=wait)
            if done:
                return playback.outcome.result()
            try:
                if not await self._channel.playing(playback.id):
                    return "lost"
            except AriError:
                return "lost"
            wait = CHECK_EVERY
        log.error("A prompt did not end in time")
        await self._stop(playback.id)
        return "lost"

    async def _next_key(self, seconds: float) -> str | None:
        self._check()
        if not self._keys:
            self._key_waiter = asyncio.get_running_loop().create_future()
            with self._occupied():
                await asyncio.wait((self._key_waiter,), timeout=seconds)
            self._key_waiter = None
            self._check()
        if not self._keys:
            return None
        return self._keys.popleft()

    async def _sound_key(self, *, last: bool) -> None:
        """A tone for the key just taken, unless more keys wait already; silence after it, unless it is the `last`."""
        if self.key_tone and not self._keys:
            await self._hold_line(KEY_TONE, *(() if last else (PAUSE,) * HELD_PAUSES))
            self._held = None if last else self._held

    async def _hold_line(self, *sounds: str) -> None:
        """Play these in place of what held the line: queued first, then that is stopped. Silence counts as playing.

        Where Asterisk begins or ends to play in the middle of a key press, it may tell the key twice (22.10.1).
        """
        before, self._held = self._held, uuid4().hex
        try:
            await self._channel.play(self._held, [f"sound:{self._sounds}/{sound}" for sound in sounds], self.language)
        except AriError as error:  # if the caller is gone or Asterisk is, the next await tells
            self._held = None
            log.info("A key was not sounded", error=str(error))
        if before:
            await self._stop(before)

    async def _let_go(self) -> None:
        before, self._held = self._held, None  # a prompt is queued
        if before:
            await self._stop(before)

    @contextmanager
    def _occupied(self) -> Iterator[None]:
        self._waits += 1
        try:
            yield
        finally:
            self._waits -= 1
            self._idle_since = asyncio.get_running_loop().time()

    def _number_ended(self) -> None:
        """Many end a full number with '#' though it is complete: that key must not answer the next question."""
        if not self._keys:
            self._number_ended_at = asyncio.get_running_loop().time()
        elif self._keys[0] == "#":
            self._keys.popleft()

    async def _stop(self, playback_id: str) -> None:
        try:
            await self._channel.stop(playback_id)
        except ChannelGone:
            pass  # it ended by itself a moment ago
        except AriError as error:
            log.warning("A prompt could not be stopped", error=str(error))

    async def _stop_recording(self, name: str) -> None:
        try:
            await self._channel.stop_recording(name)
        except ChannelGone:
            pass  # it is over, or never began
        except AriError as error:
            log.warning("A recording could not be stopped", error=str(error))

    async def _command(self, command: Awaitable[None]) -> None:
        try:
            await command
        except (ChannelGone, NotInStasis):
            self.ended()
        self._check()

    def _check(self) -> None:
        if self._gone:
            raise CallerHungUp


def _resolve(future: asyncio.Future[Any] | None, result: str | None) -> None:
    if future and not future.done():
        future.set_result(result)
