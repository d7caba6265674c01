"""A call as a dialogue uses it: play, ask, record, hand over. Independent of ARI and of storage."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle
from typing import Final

import structlog

from desk.callbacks.model import CallKey, IncompleteStep
from ivr.asterisk.channel import CallerId as CallerId
from ivr.asterisk.channel import Channel
from ivr.asterisk.channel import Keys as Keys
from ivr.asterisk.errors import AriError, AriTimeout, AriUnavailable, ChannelGone, NotInStasis
from ivr.calls.errors import CallerHungUp as CallerHungUp
from ivr.calls.errors import CallReleased, PromptFailed
from ivr.calls.playback import HeldLine, Playback, held_ids, playback_ids, resolve, stop_playback, stop_recording
from ivr.calls.rescue import RESCUE_AFTER, RescueTimer

log = structlog.get_logger(__name__)

SOUNDS: Final = "innringing"
KEYS: Final = frozenset("0123456789*#")
CHECK_AFTER: Final = 15.0  # seconds of a playback without an event before we ask Asterisk if it still plays
CHECK_EVERY: Final = 5.0
LONGEST_PLAYBACK: Final = 90.0
MOST_AT_ONCE: Final = 10  # prompts in one playback
LONGEST_PROMPT: Final = 20.0  # seconds, of a prompt whose length we do not know
LONE_KEY: Final = 4.0  # seconds without another key after which a key counts as a lone key
RECORDING_GRACE: Final = 5.0  # seconds to wait for the event that ends a recording, before we stop it ourselves
LATE_HASH: Final = 2.0  # seconds after the last digit in which a '#' still belongs to that number


class Call:
    """One caller on the line. Keys are buffered during the whole call, also between prompts.

    A dialogue uses it from one task. The controller calls `key_pressed`, `playback_finished`, `recording_ended`,
    `events_lost` and `ended`, which never block.
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
        lengths: Mapping[str, float] | None = None,
        rescued_in: float = RESCUE_AFTER,
        recovered: bool = False,
    ) -> None:
        """`sounds` is the prompt folder, under Asterisk's sounds folder, for the whole call.

        `lengths`: seconds of each prompt, by language and key («nb/welcome»). `rescued_in`: seconds left until the
        dialplan takes over the caller. `recovered`: another controller, or this one before a lost connection, started
        the conversation.
        """
        self.key = key
        self.department = department
        self.language = language
        self.caller = caller
        self.recovered = recovered
        self.may_leave = False
        """Whether Asterisk may still carry out our request to send the caller into the dialplan."""
        self.interrupted_at: IncompleteStep | None = None
        self.key_tone = False
        """Whether to play a soft tone for each accepted key."""
        self._channel = channel
        self._sounds = sounds
        self._lengths = lengths or {}
        self._rescue = RescueTimer(channel, gone=self.ended, left=rescued_in)
        self._playback_ids = cycle(playback_ids(channel.id))
        self._held = HeldLine(channel, sounds=sounds, rescue=self._rescue)
        self._keys: deque[str] = deque()
        self._key_waiter: asyncio.Future[None] | None = None
        self._playback: Playback | None = None
        self._recording: tuple[str, asyncio.Future[str]] | None = None  # name, and how it ended: done, lost, gone
        self._number_ended_at = float("-inf")
        self._stray_until = float("-inf")
        self._stray_seconds = 0.0
        self._gone = False
        self._released = False
        self._unattended = False
        self._confirming = 0
        self._waits = 0
        self._idle_since = asyncio.get_running_loop().time()

    @property
    def idle(self) -> float:
        """Seconds since the caller last heard a prompt or could press a key. 0 during a prompt or a question."""
        return 0.0 if self._waits else asyncio.get_running_loop().time() - self._idle_since

    @property
    def live(self) -> bool:
        """Whether the caller is still on the line, in this application."""
        return not self._gone

    @property
    def attended(self) -> bool:
        """Whether we stay until the end of the call. False while Asterisk finishes a confirmation by itself."""
        return not self._unattended

    @contextmanager
    def at(self, step: IncompleteStep) -> Iterator[None]:
        """Mark a part of the conversation, so that a hang-up inside it is recorded with this step."""
        self._confirming += step is IncompleteStep.CONFIRMATION
        try:
            yield
        except Exception:
            self.interrupted_at = self.interrupted_at or step  # the innermost step wins
            raise
        finally:
            self._confirming -= step is IncompleteStep.CONFIRMATION

    async def stop_orphans(self) -> None:
        """Stop what an earlier controller left playing, so that the caller does not wait for its end."""
        ids = (*playback_ids(self._channel.id), *held_ids(self._channel.id))
        await asyncio.gather(*(stop_playback(self._channel, each) for each in ids))

    async def play(self, *prompts: str, barge_in: bool = False, required: bool = False) -> None:
        """Play prompts to their end. With `barge_in` a key ends or skips them. A failed prompt is logged.

        Raises PromptFailed where the prompts are `required` and were not all played.
        """
        self._check()
        for first in range(0, len(prompts), MOST_AT_ONCE):
            if not (barge_in and self._keys):
                played = await self._play_in_one(*prompts[first : first + MOST_AT_ONCE], barge_in=barge_in)
                if required and not played:
                    raise PromptFailed

    async def _play_in_one(self, *prompts: str, barge_in: bool) -> bool:
        """Play prompts as one playback. False when it failed."""
        await self._held.let_go()
        if self._unattended:
            self._rescue.renew(self._length(prompts))  # waiting for it would be waiting for what plays
        else:
            await self._command(self._rescue.cover(self._length(prompts)))
        playback = Playback(next(self._playback_ids), barge_in, asyncio.get_running_loop().create_future())
        self._playback = playback  # set before the request: the end event may arrive before the response
        try:
            media = [f"sound:{self._sounds}/{prompt}" for prompt in prompts]
            try:
                await self._command(self._channel.play(playback.id, media, self.language))
            except AriUnavailable:
                raise
            except AriError as error:
                log.error("Could not play a prompt", prompts=prompts, error=str(error))
                return False
            with self._occupied():
                outcome = "unattended" if self._unattended else await self._playback_end(playback)
        finally:
            self._playback = None
        if outcome == "key":
            if self.key_tone:
                await self._held.hold(self.language)
            await stop_playback(self._channel, playback.id)
        elif outcome == "failed":
            log.error("Could not play a prompt", prompts=prompts, error="playback failed")
        self._check()
        return outcome != "failed"

    async def collect(self, *, digits: int, first: float, between: float, alone: Collection[str] = ()) -> Keys:
        """Collect up to `digits` keys. Wait `first` seconds for the first key and `between` seconds for each next one.

        '#' ends the input and '*' restarts it. Buffered keys come first. After one of `alone` (input with a meaning of
        its own, such as «0» or «113») the wait for the next key is at most LONE_KEY seconds.
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
        """Play prompts until the first key, and collect the answer."""
        await self.play(*prompts, barge_in=True)
        return await self.collect(digits=digits, first=first, between=between, alone=alone)

    async def record(self, name: str, *, longest: int, silence: int) -> None:
        """Record the caller. Ends after `longest` seconds, `silence` silent seconds, or any key.

        Asterisk stores it under `name`, also when the caller hangs up. The recording may be empty. It contains no key
        tones: earlier keys are dropped, and a key pressed during it only ends it.
        """
        self._check()
        self.forget_keys()
        outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._recording = name, outcome
        try:
            await self._command(self._rescue.cover(longest + RECORDING_GRACE))
            await self._command(self._channel.record(name, longest=longest, silence=silence))
            with self._occupied():
                done, _ = await asyncio.wait((outcome,), timeout=longest + RECORDING_GRACE)
            if not done or outcome.result() == "lost":
                await self.stop_recording(name)
        except AriError as error:
            log.error("Could not record a caller", error=str(error))
            await self.stop_recording(name)  # it may have started anyway
        finally:
            self._recording = None
        self.forget_keys()
        self._check()

    def forget_keys(self, *, stray: float = 0.0) -> None:
        """Drop buffered keys, so that they do not cut off the next prompt.

        Keys within `stray` seconds from now, or from the last such key, are dropped too: a surplus digit belongs to
        the previous number and does not answer the next question.
        """
        self._keys.clear()
        self._stray_seconds = stray
        self._stray_until = asyncio.get_running_loop().time() + stray

    async def hangup(self) -> None:
        """Hang up, or let Asterisk do so after the receipt. Does nothing if the caller has already hung up."""
        if self._gone:
            return
        try:
            await (self._channel.finish() if self._unattended else self._channel.hangup())
        except AriError as error:
            log.info("Could not hang up a channel", error=str(error))
        self.ended()

    async def to_switchboard(self) -> None:
        """Transfer the caller to the switchboard. This ends the conversation."""
        await self._leave("switchboard", "s")

    async def to_urgent_line(self) -> None:
        """Transfer the caller to the department's urgent line. This ends the conversation."""
        await self._leave("urgent-line", self.department)

    async def _leave(self, context: str, extension: str) -> None:
        self._check()
        if self._recording:
            await self.stop_recording(self._recording[0])  # Asterisk does not release a channel that it records
        try:
            await self._channel.leave(context, extension)
        except (ChannelGone, NotInStasis):
            self.ended()
            self._check()
        except AriTimeout:
            self.may_leave = True
            raise
        self.ended()  # the StasisEnd event may arrive before the response: it is no hang-up

    def keep_from_rescue(self) -> None:
        """Postpone the dialplan's rescue of this caller, unless a prompt or a recording has done so. Never blocks."""
        if (
            not (self._gone or self._released or self._unattended)
            and self._playback is None
            and self._recording is None
        ):
            self._rescue.renew()

    def key_pressed(self, key: str) -> None:
        """Buffer a key that the caller pressed, and stop the current prompt if it allows barge-in."""
        if key not in KEYS:  # DTMF has A to D, telephones do not
            return
        if key == "#" and asyncio.get_running_loop().time() - self._number_ended_at < LATE_HASH:
            self._number_ended_at = float("-inf")  # it ends a number that was already complete
            return
        if asyncio.get_running_loop().time() < self._stray_until:
            self._stray_until = asyncio.get_running_loop().time() + self._stray_seconds
            return
        self._keys.append(key)
        if self._playback and self._playback.barge_in:
            resolve(self._playback.outcome, "key")
        resolve(self._key_waiter, None)

    def playback_finished(self, playback_id: str, state: str) -> None:
        """Handle the end of a playback. `state` is done, failed or cancelled. Earlier playbacks are ignored."""
        if self._playback and self._playback.id == playback_id:
            resolve(self._playback.outcome, state)

    def recording_ended(self, name: str) -> None:
        """Handle the end of a recording. Its file is complete."""
        if self._recording and self._recording[0] == name:
            resolve(self._recording[1], "done")

    def events_lost(self) -> None:
        """Handle a lost connection to Asterisk: the awaited event may have been missed."""
        if self._recording:
            resolve(self._recording[1], "lost")
        if self._playback:
            resolve(self._playback.outcome, "lost")

    def release(self) -> None:
        """Let go of the caller, because this process stops. Never blocks.

        Where a callback is being confirmed, the rest of the receipt is sent to Asterisk, which plays it and hangs up by
        itself. Any other caller stays in the application, for the next controller or for the dialplan's rescue.
        """
        if self._confirming and not self._gone:
            self._unattended = True
            resolve(self._playback.outcome if self._playback else None, "unattended")
            return
        self._released = True
        self._resolve_all("gone")

    def ended(self) -> None:
        """Mark the call as over: the caller hung up or is in the dialplan. Idempotent."""
        self._gone = True
        self._resolve_all("gone")

    def _resolve_all(self, outcome: str) -> None:
        if self._playback:
            resolve(self._playback.outcome, outcome)
        if self._recording:
            resolve(self._recording[1], outcome)
        resolve(self._key_waiter, None)

    def _length(self, prompts: Collection[str]) -> float:
        return sum(self._lengths.get(f"{self.language}/{prompt}", LONGEST_PROMPT) for prompt in prompts)

    async def _playback_end(self, playback: Playback) -> str:
        """Wait for the end of a playback. Without an event, ask Asterisk; after LONGEST_PLAYBACK, stop it."""
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
        await stop_playback(self._channel, playback.id)
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
        """Play a tone for the key just taken, unless more keys are buffered; then silence, unless it is the `last`."""
        if self.key_tone and not self._keys:
            await self._held.hold(self.language, tone=True, silence=not last)

    @contextmanager
    def _occupied(self) -> Iterator[None]:
        self._waits += 1
        try:
            yield
        finally:
            self._waits -= 1
            self._idle_since = asyncio.get_running_loop().time()

    def _number_ended(self) -> None:
        """Ignore a '#' after a complete number: many callers press it, and it must not answer the next question."""
        if not self._keys:
            self._number_ended_at = asyncio.get_running_loop().time()
        elif self._keys[0] == "#":
            self._keys.popleft()

    async def stop_recording(self, name: str) -> None:
        """Stop a recording, if it is in progress. Its file is kept."""
        await stop_recording(self._channel, name)

    async def _command(self, command: Awaitable[None]) -> None:
        try:
            await command
        except (ChannelGone, NotInStasis):
            self.ended()
        self._check()

    def _check(self) -> None:
        if self._released:
            raise CallReleased
        if self._gone:
            raise CallerHungUp
