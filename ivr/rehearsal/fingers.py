"""A model of human fingers: seeded callers who double, drop and hold keys, pause, add a '#', and give up.

Every conversation is the real one, on virtual time. The same seed gives the same caller and the same keys.
"""

import random
from dataclasses import dataclass, field
from itertools import takewhile
from statistics import mean
from typing import Final

from desk.departments.departments import Department
from desk.numbers.identity_number import LENGTH
from ivr.prompts.keys import Prompt
from ivr.rehearsal import people
from ivr.rehearsal.cast import PHONE_DIGITS
from ivr.rehearsal.stage import Stage
from ivr.rehearsal.story import CallerAnswer, Question, Story

BIRTH_DATE: Final = 6
DOUBLES: Final = 0.012
"""How often a key is doubled; holding one gives up to three."""
DROPS: Final = 0.006
ADDS_HASH: Final = 0.15
PAUSES_AFTER_DATE: Final = 0.2
HESITATES_AT_FIRST: Final = 0.1
WITHHELD: Final = 0.08
GIVES_UP: Final = 0.03
OLD: Final = 0.3
HEARS_WRONG_NUMBER: Final = 0.9
"""How often a caller notices that the receipt names another telephone number than theirs, and corrects it."""
GOAL: Final = 0.995
NOTHING: Final = CallerAnswer()
WRONG_NUMBER: Final = CallerAnswer("1")
DIGIT: Final = "digit_"
PEOPLE_ENOUGH: Final = 1_000
"""Conversations on one stage: with more, people and fictional telephone numbers would come again."""
PEOPLE_APART: Final = 3
"""Conversations use every third person, so that no one has a callback from an earlier one."""


@dataclass
class Hand:
    """One caller's hand. `gave_up` is set when the caller hangs up on a question."""

    seed: int
    person: int
    gave_up: bool = False
    keys: int = 0
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        old = self._random.random() < OLD
        self._pace = self._random.uniform(0.8, 2.2) if old else self._random.uniform(0.2, 0.6)
        self.withheld = self._random.random() < WITHHELD
        self._gives_up = self._random.random() < GIVES_UP
        self._notices = self._random.random() < HEARS_WRONG_NUMBER

    def __call__(self, question: Question) -> CallerAnswer:
        """Answer a question of the conversation, unless the hand is still keying an earlier answer."""
        if question.pending:
            return NOTHING
        if self._gives_up and question.number:
            self.gave_up = True
            return CallerAnswer(hangs_up=True)
        last = question.prompts[-1]
        if last in (Prompt.CHANGE_NUMBER, Prompt.CHECK_NUMBER):
            return WRONG_NUMBER if self._notices and self._hears_wrong_number(question) else NOTHING
        if question.digits == LENGTH or (last == Prompt.KEY_REST and not self._asks_phone(question)):
            return self._keyed(people.identity(self.person), pause_after=BIRTH_DATE)
        if question.digits == PHONE_DIGITS or last == Prompt.KEY_REST:
            return self._keyed(people.number(self.person + 5_000).removeprefix("+47"), pause_after=0)
        return NOTHING

    def _hears_wrong_number(self, question: Question) -> bool:
        """Whether the number that we call, which is read after «Vi ringer deg på», is not the caller's."""
        said = iter(question.prompts)
        if Prompt.RING_NUMBER not in said:
            return False
        digits = takewhile(lambda each: each == Prompt.PAUSE or each.startswith(DIGIT), said)
        return "".join(each.removeprefix(DIGIT) for each in digits if each != Prompt.PAUSE) not in self.numbers

    @property
    def numbers(self) -> tuple[str, ...]:
        """The telephone numbers that the caller may be called on: the one that is keyed, and their own phone."""
        own = () if self.withheld else (people.number(self.person),)
        return tuple(each.removeprefix("+47") for each in (people.number(self.person + 5_000), *own))

    def _asks_phone(self, question: Question) -> bool:
        return self.withheld and Prompt.ASK_IDENTITY not in question.prompts and question.number > 1

    def _keyed(self, digits: str, *, pause_after: int) -> CallerAnswer:
        rng, keys, pauses = self._random, "", list[float]()
        for place, digit in enumerate(digits):
            if rng.random() < DROPS:
                continue
            wait = self._pace * rng.uniform(0.7, 1.4) if keys else rng.uniform(0.5, 3.0)
            if place == 1 and rng.random() < HESITATES_AT_FIRST:
                wait += rng.uniform(3.0, 8.0)
            if pause_after and place == pause_after and rng.random() < PAUSES_AFTER_DATE:
                wait += rng.uniform(3.0, 9.0)
            times = rng.choice((2, 2, 3)) if rng.random() < DOUBLES else 1
            keys += digit * times
            pauses += [wait, *([rng.uniform(0.06, 0.2)] * (times - 1))]
        if rng.random() < ADDS_HASH:
            keys += "#"
            pauses.append(rng.uniform(0.3, 1.5))
        self.keys += len(keys)
        return CallerAnswer(keys, pauses=tuple(pauses))


@dataclass(frozen=True)
class HandStory:
    """One conversation of the model."""

    hand: Hand
    story: Story

    @property
    def is_receipt_true(self) -> bool:
        """Whether the caller heard the receipt, and their own callback is stored on a number they may be called on."""
        if self.story.registered is None or Prompt.RECEIVED not in self.story.said():
            return False
        return not self.is_wrong and not self.is_wrong_number and not self.is_sent_elsewhere

    @property
    def is_wrong(self) -> bool:
        """Whether someone else, or someone else's number, was registered without a mark: the agent does not ask."""
        if self.story.registered is None or self.story.is_doubtful:
            return False
        return self.is_someone_else or (self.is_wrong_number and self.story.registered[0] is not None)

    @property
    def is_someone_else(self) -> bool:
        """Whether another person's identity number was registered, marked as doubtful or not."""
        registered = self.story.registered
        return registered is not None and registered[0] not in (None, people.identity(self.hand.person))

    @property
    def is_wrong_number(self) -> bool:
        registered = self.story.registered
        return registered is not None and registered[1].removeprefix("+47") not in self.hand.numbers

    @property
    def is_sent_elsewhere(self) -> bool:
        return self.story.outcome in ("switchboard", "urgent")

    @property
    def seconds(self) -> float:
        """The length of the call. Keys that were still to be pressed when it ended do not count."""
        return max((each.second for each in self.story.events if each.kind != "keys"), default=0.0)

    @property
    def receipt_after(self) -> float | None:
        """Seconds from the last key before the receipt to its start. None without a receipt."""
        at = next((each.second for each in self.story.events if each.what == Prompt.RECEIVED), None)
        keys = [each.second for each in self.story.events if each.kind == "keys" and at and each.second < at]
        with_person = self.story.registered is not None and self.story.registered[0] is not None
        return at - keys[-1] if at and keys and with_person and not self.hand.withheld else None


@dataclass(frozen=True)
class HandReport:
    """The shares that the goals are about, of callers who did not give up."""

    stories: tuple[HandStory, ...]

    @property
    def stayed(self) -> list[HandStory]:
        return [each for each in self.stories if not each.hand.gave_up]

    @property
    def true_receipts(self) -> float:
        """The share of those who stayed and got a true receipt."""
        return sum(each.is_receipt_true for each in self.stayed) / max(1, len(self.stayed))

    @property
    def meets_goals(self) -> bool:
        """Whether nearly all get a true receipt, and no one is sent elsewhere or taken for someone else."""
        return self.true_receipts >= GOAL and not any(each.is_sent_elsewhere or each.is_wrong for each in self.stories)

    @property
    def with_person(self) -> float:
        """The share of receipts with the caller's identity number."""
        stored = [each.story.registered for each in self.stories if each.story.registered]
        return sum(each[0] is not None for each in stored) / max(1, len(stored))

    def lines(self) -> list[str]:
        """The report, one figure a line."""
        waits = [each.receipt_after for each in self.stories if each.receipt_after is not None]
        seconds = [each.seconds for each in self.stayed]
        keys = [each.hand.keys for each in self.stories]
        failed = [each.hand.seed for each in self.stayed if not each.is_receipt_true]
        return [
            f"conversations {len(self.stories)}, stayed {len(self.stayed)}",
            f"stayed and got a true receipt {self.true_receipts:.2%}",
            f"registered with their identity number {self.with_person:.2%}",
            f"sent elsewhere {sum(each.is_sent_elsewhere for each in self.stories)}",
            f"wrong person or number, not marked {sum(each.is_wrong for each in self.stories)}",
            f"marked as doubtful {sum(each.story.is_doubtful for each in self.stories)},"
            f" of them someone else {sum(each.is_someone_else for each in self.stories)},"
            f" on someone else's number {sum(each.is_wrong_number for each in self.stories)}",
            f"receipt after the last key: mean {mean(waits or [0]):.2f} s, longest {max(waits or [0]):.2f} s",
            f"mean length {mean(seconds or [0]):.1f} s, mean keys {mean(keys or [0]):.1f}",
            f"seeds without a true receipt: {', '.join(map(str, failed[:20])) or 'none'}",
        ]


async def converse(stage: Stage, department: Department, seed: int) -> HandStory:
    """Run the conversation of one seed."""
    hand = Hand(seed, person=(1 + seed % PEOPLE_ENOUGH) * PEOPLE_APART)
    story = await stage.ring(department, hand, person=hand.person, withheld=hand.withheld)
    return HandStory(hand, story)


async def converse_many(stage: Stage, department: Department, count: int, *, first: int = 0) -> HandReport:
    """Run the conversations of `count` seeds, beginning with `first`."""
    return HandReport(tuple([await converse(stage, department, seed) for seed in range(first, first + count)]))
