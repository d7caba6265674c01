"""Callers under faults: people on real SIP lines, with the hands of the finger model.

A caller listens, keys what is asked for, starts over when asked again, and stays until the system hangs up. One who
hears nothing for long gives up, and one may leave at the first repeated question.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ivr.prompts.keys import Prompt
from ivr.rehearsal import people
from ivr.rehearsal.cast import PHONE_DIGITS
from ivr.rehearsal.fingers import Hand
from ivr.rehearsal.story import CallerAnswer, Question
from ops.softphone.errors import PhoneError
from ops.softphone.phone import Phone
from ops.softphone.phone_call import PhoneCall
from ops.softphone.rtp import GAP_PACKETS, KEY_PACKETS, RATE
from tests.chaos.hearing import ASKS_IDENTITY, ASKS_PHONE, RECEIPTS, WAITS, Span, recogniser

LOOKS_EVERY: Final = 0.5
"""Seconds between two checks of what was heard."""
OVERLAP: Final = int(1.3 * RATE)
"""Samples searched again, because a prompt may have started just before the last check."""
PATIENCE: Final = 40.0
"""Seconds without any sound after which a caller hangs up."""
LONGEST_CALL: Final = 150.0
PRESS: Final = 0.02 * (KEY_PACKETS + 1 + GAP_PACKETS)
"""Seconds that pressing a key takes."""
IDENTITY_DIGITS: Final = 11
SPEAKS: Final = 4.0
EARS: Final = frozenset(
    map(str, ASKS_IDENTITY | ASKS_PHONE | RECEIPTS | {Prompt.KEY_REST, Prompt.RECOVERED, Prompt.SAY_WHAT_ABOUT})
)
"""What a caller reacts to."""


@dataclass(frozen=True)
class Manner:
    """How callers behave, and what their line is like. Shares are from 0 to 1.

    `vanishes`: the trunk goes silent after some seconds, without a hang-up. `leaves`: the caller hangs up then.
    """

    extension: str = "1000"
    loses_sent: float = 0.0
    loses_heard: float = 0.0
    loses_sip: float = 0.0
    vanishes: tuple[float, float] | None = None
    leaves: tuple[float, float] | None = None


@dataclass
class Call:
    """The record of one call. Times in `answers` are seconds from the answer."""

    person: int
    withheld: bool
    answered: bool = False
    gave_up: bool = False
    hung_up_by_us: bool = False
    length: float = 0.0
    sound: bytes = b""
    answers: list[Span] = field(default_factory=list)
    error: str = ""

    @property
    def number(self) -> str:
        return people.number(self.person)

    @property
    def other_number(self) -> str:
        """The number keyed by a caller whose own is withheld."""
        return people.number(self.person + 5_000)

    @property
    def identity(self) -> str:
        return people.identity(self.person)


class LossyPhone(Phone):
    """A phone on a bad line: packets of sound and of SIP are lost at random."""

    def __init__(self, port: int, manner: Manner, dice: random.Random) -> None:
        super().__init__("127.0.0.1", port)
        self._manner, self._dice = manner, dice
        self.silent = False

    def send(self, data: bytes) -> None:
        if not self.silent and self._dice.random() >= self._manner.loses_sip:
            super().send(data)

    def _new_call(self, *args: Any, **kwargs: Any) -> PhoneCall:
        call = super()._new_call(*args, **kwargs)
        stream, manner, dice = call.stream, self._manner, self._dice
        packet, hear = stream._packet, stream._hear

        def sent(to: tuple[str, int], payload: bytes, slot: object) -> None:
            if not self.silent and dice.random() >= manner.loses_sent:
                packet(to, payload, slot)  # type: ignore[arg-type]

        def heard(data: bytes, arrived: float) -> None:
            if dice.random() >= manner.loses_heard:
                hear(data, arrived)

        stream._packet, stream._hear = sent, heard  # type: ignore[method-assign]
        return call


class Caller:
    """One person's call, from the first ring to the end."""

    def __init__(self, call: Call, *, seed: int, prompts: Path, manner: Manner) -> None:
        self.call = call
        self._hand = Hand(seed, call.person)
        call.withheld = self._hand.withheld
        self._dice = random.Random(seed)
        self._prompts = prompts
        self._manner = manner
        self._asked: int = IDENTITY_DIGITS
        self._questions = 0
        self._keying: asyncio.Task[None] | None = None
        self._line: PhoneCall

    async def rings(self, sip_port: int, after: float) -> Call:
        """Call once, `after` seconds from now. Never raises: what went wrong is in the record."""
        await asyncio.sleep(after)
        phone = LossyPhone(sip_port, self._manner, self._dice)
        try:
            async with phone:
                self._line = await phone.ring(
                    self._manner.extension, caller=self.call.number, withheld=self.call.withheld, patience=20
                )
                self.call.answered = True
                await self._talk(phone)
        except PhoneError as error:
            self.call.error = str(error)
        return self.call

    async def _talk(self, phone: LossyPhone) -> None:
        leaving = asyncio.create_task(self._leave_early(phone))
        listening = asyncio.create_task(self._listen())
        try:
            async with asyncio.timeout(LONGEST_CALL):
                await asyncio.wait((listening, leaving), return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            pass
        for task in (listening, leaving, *([self._keying] if self._keying else [])):
            task.cancel()
        await asyncio.gather(listening, leaving, return_exceptions=True)
        self.call.length = (self._line.ended_at or time.time()) - self._line.heard.started
        self.call.hung_up_by_us = not self._line.ended.is_set()
        self.call.sound = self._line.heard.samples().tobytes()
        if not phone.silent:
            await self._line.hang_up()

    async def _leave_early(self, phone: LossyPhone) -> None:
        """Hang up, or go silent, when the manner says so. Otherwise wait for ever."""
        if span := self._manner.vanishes or self._manner.leaves:
            await asyncio.sleep(self._dice.uniform(*span))
            self.call.gave_up = True
            phone.silent = self._manner.vanishes is not None
            return
        await asyncio.Event().wait()

    async def _listen(self) -> None:
        """React to what is heard, until the call is over or the caller gives up."""
        ears = await asyncio.to_thread(recogniser, self._prompts, EARS)
        first, latest = 0, -1.0
        while not self._line.ended.is_set():
            samples = self._line.heard.samples(first)
            for heard in await asyncio.to_thread(ears.recognise, samples):
                at = heard.start + first / RATE
                if at > latest + 0.3:
                    latest = at
                    if self._hears(heard.key):
                        return
            first += max(len(samples) - OVERLAP, 0)
            if self._now() - self._line.heard.seconds > PATIENCE:
                return
            await asyncio.sleep(LOOKS_EVERY)

    def _hears(self, key: str) -> bool:
        """React to a sentence. True if the caller hangs up on it."""
        if key in RECEIPTS or key == Prompt.RECOVERED:
            self._stop_keying()
        elif key == Prompt.SAY_WHAT_ABOUT:
            self._line.stream.say(bytes([0x2A, 0xAA] * 80) * round(SPEAKS * 50))
        elif key == Prompt.KEY_REST and self._keying and not self._keying.done():
            return False
        else:
            if key != Prompt.KEY_REST:
                self._asked = PHONE_DIGITS if key in ASKS_PHONE else IDENTITY_DIGITS
            prompts = (str(Prompt.ASK_PHONE if self._asked == PHONE_DIGITS else Prompt.ASK_IDENTITY),)
            answer = self._hand(Question(prompts, self._asked, "nb", self._questions))
            self._questions += 1
            if answer.hangs_up:
                self.call.gave_up = True
                return True
            self._stop_keying()
            self._keying = asyncio.create_task(self._key(answer, self._asked))
        return False

    def _stop_keying(self) -> None:
        if self._keying:
            self._keying.cancel()

    async def _key(self, answer: CallerAnswer, digits: int) -> None:
        """Press the keys of an answer, and note when the caller was busy with it."""
        begun = ended = None
        keys = answer.keys.rstrip("#")
        complete = keys == (self.call.identity if digits == IDENTITY_DIGITS else self.call.other_number[3:])
        try:
            for pause, key in zip(answer.pauses, answer.keys, strict=True):
                await asyncio.sleep(max(pause - PRESS, 0))
                begun = begun or self._now()
                await self._line.key(key)
                ended = self._now()
        finally:
            if begun:
                self.call.answers.append((begun, (ended or self._now()) + (0.0 if complete else WAITS)))

    def _now(self) -> float:
        return time.time() - self._line.heard.started


def arrivals(dice: random.Random, count: int, span: float) -> Sequence[float]:
    """Seconds at which callers arrive, in order."""
    return sorted(dice.uniform(0, span) for _ in range(count))
