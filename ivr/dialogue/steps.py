"""One question at a time: what a single key means, and the requests that leave a question."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ivr.calls.call import Call, Keys
from ivr.dialogue.keyed import is_one_key
from ivr.prompts.keys import Prompt

PERSON_KEY: Final = "0"
CHOICE_KEY: Final = "5"
"""The middle key, which has a tactile dot on most telephones."""
ANOTHER_KEY: Final = "1"
"""Wherever it is offered: another number, or another person."""
NO_NEED_KEY: Final = "2"
"""Wherever it is offered: the caller does not need us to call."""


@dataclass(frozen=True)
class LoneKeys:
    """The keys that have a meaning when no other key follows. A lone 0 always asks for a person.

    `languages` maps keys to languages, such as «9» to English. `choice`: whether CHOICE_KEY selects the department's
    choice. `offer` are the prompts that offer it, unless they were played before the question.
    """

    languages: Mapping[str, str] = field(default_factory=dict)
    choice: bool = False
    offer: tuple[str, ...] = ()

    @property
    def keys(self) -> frozenset[str]:
        return frozenset({PERSON_KEY, *self.languages}) | ({CHOICE_KEY} if self.choice else set())

    def of(self, keyed: str) -> str | None:
        """Return the lone key that these keys are, doubled perhaps. None if they are not."""
        return keyed[0] if keyed and keyed[0] in self.keys and is_one_key(keyed, keyed[0]) else None


class SwitchboardRequest(Exception):
    """The caller pressed a lone 0 twice and wants a person."""


class LanguageRequest(Exception):
    """The caller pressed the lone key of another language twice. The request starts over in it."""

    def __init__(self, language: str) -> None:
        super().__init__(language)
        self.language = language


class ChoiceRequest(Exception):
    """The caller pressed a lone CHOICE_KEY twice, the department's choice."""


class UrgentRequest(Exception):
    """The caller keyed an emergency number, or chose the urgent line."""

    def __init__(self, *, emergency: bool) -> None:
        super().__init__()
        self.emergency = emergency


@dataclass(frozen=True)
class Patience:
    """How many seconds to wait for the first key and between keys."""

    first: float
    between: float


ONCE_AND_AGAIN: Final = (Patience(first=8, between=5), Patience(first=12, between=7))
"""Each question is asked twice, the second time with more patience. The limit for lone keys is fixed (Call.collect)."""

SETTLE: Final = 0.7
"""Seconds after a complete answer in which more keys are surplus keys of that answer."""
CONFIRM: Final = Patience(first=6, between=5)
CONFIRMED_AFTER: Final = 1.5
"""Seconds after a confirming key in which a further key means that a number is being keyed."""

CONFIRMATIONS: Final[Mapping[str, Prompt]] = {
    PERSON_KEY: Prompt.CONFIRM_PERSON,
    CHOICE_KEY: Prompt.CONFIRM_CHOICE,
    "9": Prompt.CONFIRM_LANGUAGE,
    "8": Prompt.CONFIRM_NORWEGIAN,
}
MOST_CONFIRMED: Final = 2


async def choose(call: Call, *question: str, patience: Patience, lone: LoneKeys) -> str:
    """Ask for one key and return it; a doubled or held key counts once. Empty for silence, and for several keys.

    Raises what `confirmed` raises, after a lone key.
    """
    keys = await call.ask(*question, digits=1, first=patience.first, between=patience.between, settle=SETTLE)
    for _ in range(MOST_CONFIRMED):
        key = lone.of(keys.digits)
        if key is None:
            break
        keys = await confirmed(call, key, lone, digits=1)
    return keys.digits[:1] if is_one_key(keys.digits, keys.digits[:1]) else ""


async def confirmed(call: Call, key: str, lone: LoneKeys, *, digits: int) -> Keys:
    """Ask for a lone key again, and return the keys of a caller who was keying a number instead.

    Raises SwitchboardRequest, LanguageRequest or ChoiceRequest when the caller presses the key again and no other.
    """
    keys = await call.ask(
        CONFIRMATIONS[key],
        digits=digits,
        first=CONFIRM.first,
        between=CONFIRM.between,
        alone={key, key * 2},
        lone=CONFIRMED_AFTER,
        settle=SETTLE,
    )
    if not is_one_key(keys.digits, key):
        return keys
    if key in lone.languages:
        raise LanguageRequest(lone.languages[key])
    raise ChoiceRequest if key == CHOICE_KEY else SwitchboardRequest
