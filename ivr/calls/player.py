"""Plays prompts to one caller, and keeps the line open with silence while keys are awaited."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Final

import structlog

from ivr.asterisk.channel import HOLD, HOLD_SECONDS, Channel
from ivr.asterisk.errors import AriError, AriUnavailable, ChannelGone, NotInStasis
from ivr.calls.playback import HeldLine, Playback, held_ids, playback_ids, resolve, stop_playback
from ivr.calls.rescue import AT_LEAST, RESCUE_AFTER, RescueTimer

log = structlog.get_logger(__name__)

SOUNDS: Final = "innringing"
DIALPLAN_LANGUAGE: Final = "nb"  # that a new call has
MOST_AT_ONCE: Final = 10  # prompts in one playback, besides silence
LONGEST_PROMPT: Final = 20.0  # seconds, of a prompt whose length we do not know
LONGEST_PLAYBACK: Final = 90.0
CHECK_AFTER: Final = 15.0  # seconds of a playback without an event before we ask Asterisk if it still plays
CHECK_EVERY: Final = 5.0
AFTER_SILENCE: Final = 4.0  # seconds that we have after a silence for keys, before the dialplan takes the caller
_MOMENT: Final = 1e-6


def prompt_version(sounds: str) -> str | None:
    """Return the version of the prompts in that folder: the id of their set. None for prompts that are in no set."""
    return sounds.removeprefix(f"{SOUNDS}/") if sounds.startswith(f"{SOUNDS}/") else None


class Player:
    """One caller's loudspeaker. One playback at a time; `key_pressed`, `finished` and `give_up` never block."""

    def __init__(self, channel: Channel, *, sounds: str, lengths: Mapping[str, float], rescue: RescueTimer) -> None:
        """`sounds` is the prompt folder. `lengths`: seconds of each prompt, by language and key («nb/welcome»)."""
        self._channel = channel
        self._sounds = sounds
        self._lengths = lengths
        self._rescue = rescue
        self._ids = cycle(playback_ids(channel.id))
        self._playback: Playback | None = None
        self._held = HeldLine(channel, sounds=sounds, rescue=rescue)
        self._letting_go: asyncio.Task[None] | None = None
        self._language = DIALPLAN_LANGUAGE
        self.attended = True
        """Whether we wait for the end of what plays."""

    @property
    def is_playing(self) -> bool:
        return self._playback is not None

    async def play(
        self,
        prompts: Sequence[str],
        language: str,
        *,
        barge_in: bool = False,
        deaf_words: Sequence[str] = (),
        then: float | None = None,
        key_tone: bool = False,
    ) -> bool:
        """Play up to MOST_AT_ONCE prompts, until their end or, with `barge_in`, a key. False when it failed.

        `then`: seconds of silence in the same playback. Keys during the `deaf_words`, the first prompts, end nothing.
        Raises ChannelGone, NotInStasis and AriUnavailable.
        """
        await self._held.let_go()
        silence = () if then is None else (HOLD,) * math.ceil(then / HOLD_SECONDS + 1)
        words = self._length(prompts, language)
        if self.attended:
            await self._remember(language)
            await self._cover(words, then)
        else:
            silence = ()
            self._rescue.follow(words)  # waiting for it would be waiting for what plays
        loop = asyncio.get_running_loop()
        deaf_until = loop.time() + self._length(deaf_words, language)
        silent_from = math.inf if then is None else loop.time() + words
        playback = Playback(next(self._ids), barge_in, deaf_until, silent_from, loop.create_future())
        if then is not None:
            self._channel.expect_keys(then)
        self._playback = playback  # set before the request: the end event may arrive before the response
        try:
            await self._channel.play(playback.id, self._media(*prompts, *silence), language)
            longest = LONGEST_PLAYBACK if then is None else words + then
            outcome = await self._end(playback, longest) if self.attended else "unattended"
        except (AriUnavailable, ChannelGone, NotInStasis):
            raise
        except AriError as error:
            log.error("Could not play a prompt", prompts=prompts, error=str(error))
            return False
        finally:
            self._playback = None
        if outcome == "key":
            if key_tone:
                await self._held.hold(language)
                await stop_playback(self._channel, playback.id)
            else:
                await self._held.keep(playback.id)
        elif outcome == "failed":
            log.error("Could not play a prompt", prompts=prompts, error="playback failed")
        return outcome != "failed"

    def key_pressed(self) -> None:
        """Stop the current playback if a key may end it."""
        playback = self._playback
        if playback and playback.barge_in and asyncio.get_running_loop().time() >= playback.deaf_until:
            self.give_up("key")

    def finished(self, playback_id: str, state: str) -> None:
        """Handle the end of a playback. Earlier playbacks are ignored."""
        self._held.ended(playback_id)
        if self._playback and self._playback.id == playback_id:
            self.give_up(state)

    def events_lost(self) -> None:
        """Handle a connection that was away: the end of what plays may have been missed, or keys."""
        self.give_up("lost")

    def give_up(self, outcome: str) -> None:
        """End the wait for the current playback."""
        resolve(self._playback.outcome if self._playback else None, outcome)

    def leave_alone(self) -> None:
        """Stop waiting: from now on Asterisk plays what it is sent, one after another, by itself."""
        self.attended = False
        self.give_up("unattended")

    async def sound_key(self, language: str, *, last: bool) -> None:
        """Play a tone for a key, then silence unless it is the `last`."""
        await self._held.hold(language, tone=True, silence=not last)

    async def let_go(self) -> None:
        """Stop what keeps the line open between keys: behind it Asterisk neither records nor lets the caller go."""
        await self._held.let_go()

    def keep_from_rescue(self) -> None:
        """Postpone the dialplan's rescue, unless what plays has done so. Never blocks.

        A line that is kept open between keys is let go when its limit is near: the limit can't be set before that.
        """
        if self.is_playing or (self._held.holds and self._rescue.left > AT_LEAST):
            return
        if self._held.holds:
            self._letting_go = asyncio.get_running_loop().create_task(self._held.let_go())
        self._rescue.renew()

    async def stop_orphans(self) -> None:
        """Stop what an earlier controller left playing, so that the caller does not wait for its end."""
        ids = (*playback_ids(self._channel.id), *held_ids(self._channel.id))
        await asyncio.gather(*(stop_playback(self._channel, each) for each in ids))

    async def _remember(self, language: str) -> None:
        """Tell Asterisk of another language, once: a process that goes on with the caller knows it from there."""
        if language != self._language:
            self._language = language
            try:
                await self._channel.remember_language(language)
            except (AriUnavailable, ChannelGone, NotInStasis):
                raise
            except AriError as error:
                log.info("Could not set a channel's language", error=str(error))

    async def _cover(self, words: float, then: float | None) -> None:
        """Set the caller's time limit. In a silence for keys it is shorter: a caller who has keyed waits for us."""
        if then is None or then + AFTER_SILENCE <= RESCUE_AFTER:
            await self._rescue.cover(words)
        else:
            await self._rescue.cover(words + then + AFTER_SILENCE - RESCUE_AFTER, at_least=RESCUE_AFTER - 1)

    async def _end(self, playback: Playback, longest: float) -> str:
        """Wait for the end of a playback. Without an event, ask Asterisk; after `longest` seconds, stop it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + longest
        wait = CHECK_AFTER
        while (left := deadline - loop.time()) > _MOMENT:
            done, _ = await asyncio.wait((playback.outcome,), timeout=min(wait, left))
            is_lost = bool(done) and playback.outcome.result() == "lost"
            if done and not is_lost:
                return playback.outcome.result()
            if not done and left <= wait:
                break
            if not await self._goes_on(playback, is_lost=is_lost):
                return "lost"
            wait = CHECK_EVERY
        if longest >= LONGEST_PLAYBACK:
            log.error("A prompt did not end in time")
        await stop_playback(self._channel, playback.id)
        return "silence"

    async def _goes_on(self, playback: Playback, *, is_lost: bool) -> bool:
        """Whether the playback still plays. What we would send next, Asterisk would play behind it.

        When events were lost, a caller who only had to press keys may have done so: what plays is stopped then.
        """
        if is_lost:
            playback.outcome = asyncio.get_running_loop().create_future()  # the end may arrive meanwhile
        try:
            plays = await self._channel.playing(playback.id)
        except AriError:
            return False
        if plays and is_lost and asyncio.get_running_loop().time() >= playback.silent_from:
            await stop_playback(self._channel, playback.id)
            return False
        return plays

    def _media(self, *prompts: str) -> list[str]:
        return [f"sound:{self._sounds}/{prompt}" for prompt in prompts]

    def _length(self, prompts: Sequence[str], language: str) -> float:
        return sum(self._lengths.get(f"{language}/{prompt}", LONGEST_PROMPT) for prompt in prompts)
