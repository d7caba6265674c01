"""A call as a dialogue uses it: play, ask, record, hand over. Independent of ARI and of storage."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Final, TypeVar

import structlog

from desk.callbacks.model import CallKey, IncompleteStep
from desk.numbers.identity_number import IdentityNumber
from desk.numbers.phone_number import PhoneNumber
from ivr.asterisk.channel import CallerId as CallerId
from ivr.asterisk.channel import Channel
from ivr.asterisk.channel import Keys as Keys
from ivr.asterisk.errors import AriError, AriTimeout, ChannelGone, NotInStasis
from ivr.calls.errors import CallerHungUp as CallerHungUp
from ivr.calls.errors import CallReleased, PromptFailed
from ivr.calls.key_buffer import KeyBuffer
from ivr.calls.live_recording import LiveRecording
from ivr.calls.playback import stop_recording
from ivr.calls.player import DIALPLAN_LANGUAGE as DIALPLAN_LANGUAGE
from ivr.calls.player import MOST_AT_ONCE, Player
from ivr.calls.player import SOUNDS as SOUNDS
from ivr.calls.rescue import SERVED_WITHIN, RescueTimer

T = TypeVar("T")

log = structlog.get_logger(__name__)

LONE_KEY: Final = 4.0  # seconds without another key after which a key counts as a lone key
LONGEST_SETTLE: Final = 1.6
PACES: Final = 1.5  # how many of a caller's usual gaps between keys we wait for a surplus key
MOST_KEYED: Final = 36  # keys in one answer, surplus keys included


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
        rescued_in: float = SERVED_WITHIN,
        recovered: bool = False,
        unanswered: bool = False,
    ) -> None:
        """`sounds` is the prompt folder, under Asterisk's sounds folder, for the whole call.
        `lengths`: seconds of each prompt, by language and key («nb/welcome»). `rescued_in`: seconds left until the
        dialplan takes over the caller. `recovered`: another controller, or this one before a lost connection, started
        the conversation. `unanswered`: the switchboard did not answer, and the dialplan has sent the caller back.
        """
        self.key = key
        self.department = department
        self.language = language
        self.caller = caller
        self.recovered = recovered
        self.unanswered = unanswered
        self.fax_tone = False
        self.may_leave = False
        """Whether Asterisk may still carry out our request to send the caller into the dialplan."""
        self.interrupted_at: IncompleteStep | None = None
        self.identity: IdentityNumber | None = None  # keyed in this call, and kept with an incomplete one
        self.own_numbers: Container[PhoneNumber] = ()  # the hospital's: they are not called back
        self.key_tone = False  # whether to play a soft tone for each accepted key
        self._channel = channel
        self._rescue = RescueTimer(channel, gone=self.ended, left=rescued_in)
        self._lengths = {} if lengths is None else lengths
        self._player = Player(channel, sounds=sounds, lengths=self._lengths, rescue=self._rescue)
        self._keys = KeyBuffer()
        self._recording = LiveRecording(channel, rescue=self._rescue)
        self._gone = False
        self._released = False
        self._waits = 0
        self._idle_since = asyncio.get_running_loop().time()

    @property
    def idle(self) -> float:
        """Seconds since the caller last heard a prompt or could press a key. 0 during a prompt or a question."""
        return 0.0 if self._waits else asyncio.get_running_loop().time() - self._idle_since

    @property
    def live(self) -> bool:
        """Whether the caller is still on the line, here."""
        return not (self._gone or self._released)

    @property
    def attended(self) -> bool:
        """Whether we stay until the end of the call. False while Asterisk finishes a confirmation by itself."""
        return self._player.attended

    @property
    def is_fax(self) -> bool:
        """Whether a fax machine's tone was heard, and no key pressed since."""
        return self.fax_tone and not self._keys.any_pressed

    def has_prompt(self, prompt: str) -> bool:
        """Whether a prompt is built, in the language of the call."""
        return f"{self.language}/{prompt}" in self._lengths

    @contextmanager
    def at(self, step: IncompleteStep, *, before_keys: IncompleteStep | None = None) -> Iterator[None]:
        """Record a hang-up inside this part of the conversation with this step; with `before_keys` before any key."""
        self._rescue.confirming += step is IncompleteStep.CONFIRMATION
        try:
            yield
        except Exception:
            reached = step if self._keys.any_pressed or before_keys is None else before_keys
            self.interrupted_at = self.interrupted_at or reached  # the innermost step wins
            raise
        finally:
            self._rescue.confirming -= step is IncompleteStep.CONFIRMATION

    async def stop_orphans(self) -> None:
        """Stop what an earlier controller left playing, so that the caller does not wait for its end."""
        await self._player.stop_orphans()

    async def play(self, *prompts: str, barge_in: bool = False, required: bool = False) -> None:
        """Play prompts to their end. With `barge_in` a key ends or skips them. A failed prompt is logged.

        Raises PromptFailed where the prompts are `required` and were not all played.
        """
        self._check()
        for first in range(0, len(prompts), MOST_AT_ONCE):
            if not (barge_in and self._keys):
                played = await self._play(prompts[first : first + MOST_AT_ONCE], barge_in=barge_in)
                if required and not played:
                    raise PromptFailed

    async def ask(
        self,
        *prompts: str,
        digits: int,
        first: float,
        between: float,
        alone: Collection[str] = (),
        lone: float = LONE_KEY,
        settle: float = 0.0,
        deaf: int = 0,
    ) -> Keys:
        """Play prompts until the first key, and collect the answer. See `collect`.

        The wait for the first key is silence in the same playback: where a playback ends during a key press, Asterisk
        reports the key twice. Keys during the first `deaf` prompts end nothing, but are kept.
        """
        self._check()
        for start in range(0, len(prompts), MOST_AT_ONCE):
            words, deaf_words = prompts[start : start + MOST_AT_ONCE], prompts[start:deaf]
            if self._keys and not deaf_words:
                break
            is_last = start + MOST_AT_ONCE >= len(prompts)
            await self._play(words, barge_in=True, deaf_words=deaf_words, then=first if is_last else None)
        if not self.attended:
            return Keys("", "silence")
        waits = first if self._keys or not prompts else 0.0  # a caller who starts over gets the whole time again
        return await self.collect(digits=digits, first=waits, between=between, alone=alone, lone=lone, settle=settle)

    async def collect(
        self,
        *,
        digits: int,
        first: float,
        between: float,
        alone: Collection[str] = (),
        lone: float = LONE_KEY,
        settle: float = 0.0,
    ) -> Keys:
        """Collect up to `digits` keys. Wait `first` seconds for the first key and `between` seconds for each next one.

        '#' ends the input and '*' restarts it. Buffered keys come first. After one of `alone` (input with a meaning of
        its own, such as «0» or «113») the wait for the next key is at most `lone` seconds. With `settle` the answer
        includes surplus keys: those that follow within that time, or longer for a caller who keys slowly. A
        caller who hangs up during that wait has answered.
        """
        keyed, is_restarted, gaps, waited = "", False, list[float](), 0.0
        while len(keyed) < MOST_KEYED:
            full = len(keyed) >= digits
            if full and not settle:
                break
            wait = first if not keyed else min(between, lone) if keyed in alone else between
            if full:
                wait = waited = max(settle, min(LONGEST_SETTLE, PACES * median(gaps or [0.0])))
            began = asyncio.get_running_loop().time()
            match await self._next_key(wait, or_hang_up=full):
                case None if full:
                    break
                case None:
                    return Keys(keyed, "timeout" if keyed else "silence", is_restarted)
                case "#":
                    await self._sound_key(last=True)
                    return Keys(keyed, "complete" if full else "hash", is_restarted)
                case "*":
                    keyed, is_restarted = "", True
                case key:
                    gaps += [asyncio.get_running_loop().time() - began] if keyed else []
                    keyed += key
            await self._sound_key(last=len(keyed) >= digits)
        self._keys.number_ended()
        return Keys(keyed, "complete", is_restarted, pace=median(gaps or [0.0]), settled=waited)

    async def record(self, name: str, *, longest: int, silence: int) -> None:
        """Record the caller. Ends after `longest` seconds, `silence` silent seconds, or any key.

        Asterisk stores it under `name`, also when the caller hangs up. The recording may be empty. It contains no key
        tones: earlier keys are dropped, and a key pressed during it only ends it.
        """
        self._check()
        self.forget_keys()
        await self._player.let_go()
        try:
            with self._occupied():
                await self._command(self._recording.make(name, longest=longest, silence=silence))
        except AriError as error:
            log.error("Could not record a caller", error=str(error))
            await self.stop_recording(name)  # it may have started anyway
        self.forget_keys()
        self._check()

    @property
    def identity_in_doubt(self) -> bool:
        """Whether digits followed the identity number that was accepted. See `identity_accepted`."""
        return self._keys.any_late

    def identity_accepted(self) -> None:
        """Watch for more digits from now on: then a slip may have made the number someone else's."""
        self._keys.expect_no_more()

    def doubled_in(self, digits: str) -> frozenset[int]:
        """Return where in the last digits a key came again too fast to be meant. See `KeyBuffer.doubled_in`."""
        return self._keys.doubled_in(digits)

    def forget_keys(self, *, stray: float = 0.0) -> None:
        """Drop buffered keys, so that they do not cut off the next prompt. `stray`: see `KeyBuffer.forget`."""
        self._keys.forget(stray=stray)

    async def hangup(self) -> None:
        """Hang up, or let Asterisk do so after the receipt. Does nothing if the caller has already hung up."""
        if self._gone:
            return
        if not self.attended:
            await self._player.let_go()
        try:
            await (self._channel.hangup() if self.attended else self._channel.finish())
        except AriError as error:
            log.info("Could not hang up a channel", error=str(error))
        self.ended()

    async def to_switchboard(self) -> None:
        """Transfer the caller to the switchboard. This ends the conversation."""
        # The extension is the language, in which the caller is spoken to if no one answers there.
        await self._leave("switchboard", "s" if self.language == DIALPLAN_LANGUAGE else self.language)

    async def to_urgent_line(self) -> None:
        """Transfer the caller to the department's urgent line. This ends the conversation."""
        await self._leave("urgent-line", self.department)

    async def pass_on(self, *, has_other_door: bool) -> None:
        """Send a caller whom this process has released to the other door, or leave them to the next process at this."""
        if self._gone:
            return
        if not has_other_door:
            return await self._rescue.await_successor()
        await self._player.stop_orphans()  # Asterisk releases no channel that it plays to or records
        if self._recording.name:
            await self.stop_recording(self._recording.name)
        try:
            await self._channel.leave("again", self.language)
        except AriError as error:  # the dialplan's time limit sends them instead
            log.warning("Could not pass a caller on", error=str(error))

    async def _leave(self, context: str, extension: str) -> None:
        self._check()
        if self._recording.is_on:
            await self.stop_recording(self._recording.name)  # Asterisk does not release a channel that it records
        await self._player.let_go()
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
        ours = self.attended and not (self._gone or self._released)
        if ours and not self._recording.is_on:
            self._player.keep_from_rescue()

    def key_pressed(self, key: str) -> None:
        """Buffer a key that the caller pressed, and stop the current prompt if it allows barge-in."""
        if not self._keys.press(key):
            return
        self._player.key_pressed()

    def playback_finished(self, playback_id: str, state: str) -> None:
        """Handle the end of a playback. `state` is done, failed or cancelled. Earlier playbacks are ignored."""
        self._player.finished(playback_id, state)

    def recording_ended(self, name: str) -> None:
        """Handle the end of a recording. Its file is complete."""
        self._recording.ended(name)

    def events_lost(self) -> None:
        """Handle a lost connection: the awaited event may have been missed."""
        self._recording.give_up("lost")
        self._player.events_lost()
        self._keys.some_lost()

    def release(self) -> None:
        """Let go of the caller, because this process stops. Never blocks.

        Where a callback is being confirmed, the rest of the receipt is sent to Asterisk, which plays it and hangs up by
        itself. Any other caller stays in the application, for the next controller or for the dialplan's rescue.
        """
        if self._rescue.confirming and not self._gone:
            self._player.leave_alone()
            self._keys.close()
            return
        self._released = True
        self._resolve_all("gone")

    def ended(self) -> None:
        """Mark the call as over: the caller hung up or is in the dialplan. Idempotent."""
        self._gone = True
        self._resolve_all("gone")

    def _resolve_all(self, outcome: str) -> None:
        self._player.give_up(outcome)
        self._recording.give_up(outcome)
        self._keys.close()

    async def _play(
        self, prompts: Sequence[str], *, barge_in: bool, deaf_words: Sequence[str] = (), then: float | None = None
    ) -> bool:
        """Play one list of prompts. `then`: seconds of silence after them. False when it failed."""
        playing = self._player.play(
            prompts, self.language, barge_in=barge_in, deaf_words=deaf_words, then=then, key_tone=self.key_tone
        )
        with self._occupied():
            return await self._command(playing)

    async def _next_key(self, seconds: float, *, or_hang_up: bool) -> str | None:
        """Return the next key, None after `seconds`; with `or_hang_up` also when the caller is gone."""
        if self.attended and not (or_hang_up and self._gone):
            self._check()
            self._channel.expect_keys(seconds)
            with self._occupied():
                await self._keys.wait(seconds)
        if not or_hang_up:
            self._check()
        return self._keys.take()

    @contextmanager
    def _occupied(self) -> Iterator[None]:
        self._waits += 1
        try:
            yield
        finally:
            self._waits -= 1
            self._idle_since = asyncio.get_running_loop().time()

    async def _sound_key(self, *, last: bool) -> None:
        if self.key_tone and not self._keys:
            await self._player.sound_key(self.language, last=last)

    async def stop_recording(self, name: str) -> None:
        """Stop a recording, if it is in progress. Its file is kept."""
        await stop_recording(self._channel, name)

    async def _command(self, command: Awaitable[T]) -> T:
        try:
            result = await command
        except (ChannelGone, NotInStasis):
            self.ended()
            self._check()
            raise
        self._check()
        return result

    def _check(self) -> None:
        if self._released:
            raise CallReleased
        if self._gone:
            raise CallerHungUp
