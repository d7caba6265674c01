"""A rehearsed call as data: the questions to the caller, the caller's answers, and what happened."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

OUTCOMES: Final = {"switchboard": "switchboard", "urgent-line": "urgent"}
"""The outcome for each dialplan context that a caller can be transferred to."""


@dataclass(frozen=True)
class Question:
    """A question to the caller: the prompts since the last answer, and the number of digits expected; 0 for speech.

    `number` counts the questions of the call from 0. `pending`: keys of an earlier answer that the caller has still to
    press.
    """

    prompts: tuple[str, ...]
    digits: int
    language: str
    number: int
    pending: int = 0


@dataclass(frozen=True)
class CallerAnswer:
    """A caller's reaction: keys after `after` seconds, `gap` seconds apart; `speaks` seconds of speech; a hang-up."""

    keys: str = ""
    after: float = 1.0
    gap: float = 0.4
    hangs_up: bool = False
    speaks: float = 0.0
    pauses: tuple[float, ...] = ()

    @property
    def presses(self) -> list[tuple[float, str]]:
        """Each key and its second. `pauses` are the waits before each key; without them `gap` is."""
        pauses = self.pauses or (self.after, *([self.gap] * (len(self.keys) - 1)))
        return list(zip(accumulate(pauses), self.keys, strict=False))


class OpenQuestion(Exception):
    """The script has no answer to this question. The call stops here."""

    def __init__(self, question: Question) -> None:
        super().__init__()
        self.question = question


CallerScript = Callable[[Question], CallerAnswer]


@dataclass(frozen=True)
class StoryEvent:
    """An event of a call. `kind` is says, keys, waits, speaks, desk or ends. `language` is set where a prompt plays."""

    second: float
    kind: str
    what: str
    language: str = ""


@dataclass
class Story:
    """One rehearsed call. `outcome` is done, hung-up or one of OUTCOMES. `failure` describes an error, if any."""

    events: list[StoryEvent] = field(default_factory=list)
    outcome: str = ""
    failure: str | None = None
    registered: tuple[str | None, str] | None = None
    """The identity number and the telephone number that the call registered, after any change of the number."""
    is_doubtful: bool = False
    """Whether the identity number is marked as doubtful for the agent."""

    def said(self) -> list[str]:
        """Return the keys of the prompts played."""
        return [event.what for event in self.events if event.kind == "says"]
