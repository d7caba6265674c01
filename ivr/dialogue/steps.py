"""Parts of a conversation: each asks for one thing and returns it, typed. They say what was wrong, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from desk.numbers.errors import InvalidIdentity, InvalidPhone
from desk.numbers.identity_number import LENGTH, IdentityNumber, IdentityProblem, parse_identity
from desk.numbers.phone_number import PhoneNumber, PhoneProblem, parse_phone
from ivr.calls.call import Call, Keys
from ivr.dialogue.speech import language_offers, number_told, read_back, too_short
from ivr.prompts.keys import Prompt

EMERGENCY_NUMBERS: Final = frozenset({"110", "112", "113"})
CHOICE_KEY: Final = "5"
"""The middle key, with a dot to feel on most telephones."""


@dataclass(frozen=True)
class LoneKeys:
    """What a key means when no further one follows, besides 0, which is a person.

    `languages`: those that change the language, and to which: «9» to English. `choice`: whether CHOICE_KEY is the
    department's one choice here; `offer` are the words that say so, where it has not been said before the question.
    """

    languages: Mapping[str, str] = field(default_factory=dict)
    choice: bool = False
    offer: tuple[str, ...] = ()

    @property
    def keys(self) -> frozenset[str]:
        return frozenset({"0", *self.languages}) | ({CHOICE_KEY} if self.choice else set())


class SwitchboardWanted(Exception):
    """The caller keyed a lone 0: a person is wanted."""


class LanguageWanted(Exception):
    """The caller keyed a lone key of another language: the request starts over in it."""

    def __init__(self, language: str) -> None:
        super().__init__(language)
        self.language = language


class ChoiceWanted(Exception):
    """The caller keyed a lone CHOICE_KEY: the department's one choice after the request."""


class UrgentWanted(Exception):
    """It can't wait: the caller keyed an emergency number, or chose the urgent line."""

    def __init__(self, *, emergency: bool) -> None:
        super().__init__()
        self.emergency = emergency


@dataclass(frozen=True)
class Patience:
    """Seconds we wait for the first key and between keys."""

    first: float
    between: float


ONCE_AND_AGAIN: Final = (Patience(first=8, between=4), Patience(first=12, between=6))
"""Asked twice, the second time with more patience. A lone key is alone after the same time at both (Call.collect)."""

OBJECTION_SECONDS: Final = 3.0
STILL_KEYING_SECONDS: Final = 2.0
STRAY_SECONDS: Final = 1.5
"""A key this soon after a whole number is one too many, no answer to what is said next."""
MOST_READ_BACKS: Final = 3
MOST_CHANGES: Final = 3
NORWEGIAN_DIGITS: Final = 8
LONGEST_ABROAD: Final = 17  # 00, and the 15 digits of E.164

PHONE_PROBLEMS: Final[Mapping[str, Prompt]] = {
    PhoneProblem.EMPTY: Prompt.PHONE_UNKNOWN,
    PhoneProblem.WITHHELD: Prompt.PHONE_WITHHELD,
    PhoneProblem.NOT_A_NUMBER: Prompt.PHONE_NOT_A_NUMBER,
    PhoneProblem.SHORT_NUMBER: Prompt.PHONE_SHORT,
    PhoneProblem.PREMIUM: Prompt.PHONE_PREMIUM,
    PhoneProblem.FOREIGN: Prompt.PHONE_FOREIGN,
}


async def ask_identity(
    call: Call, *, required: bool, allow_test: bool, allow_h: bool, lone: LoneKeys
) -> IdentityNumber | None:
    """Take the identity number the opening has just asked for; ask once more when it is wrong or missing.

    None: skipped with '#', or failed or silent twice. Nobody is turned away for want of a number, also not where the
    department calls it `required`: there '#' does not skip it, and it is asked for again. Raises UrgentWanted when an
    emergency number is keyed instead, and what `pressed` raises.
    """
    question: tuple[str, ...] = ()
    skip = () if required else (Prompt.SKIP_IDENTITY,)
    for patience in ONCE_AND_AGAIN:
        keys = await pressed(call, *question, digits=LENGTH, patience=patience, lone=lone, alone=EMERGENCY_NUMBERS)
        if keys.digits in EMERGENCY_NUMBERS:
            raise UrgentWanted(emergency=True)
        if keys.ended == "hash" and not keys.digits and not required:
            break
        try:
            return parse_identity(keys.digits, allow_test=allow_test, allow_h=allow_h)
        except InvalidIdentity as refused:
            problem = _identity_problem(refused, len(keys.digits))
        question = (Prompt.ASK_IDENTITY_SLOW, *skip, *language_offers(lone.languages), *lone.offer)
        question = await _told(call, keys, problem, question, last=patience is ONCE_AND_AGAIN[-1])
    await call.play(Prompt.WITHOUT_IDENTITY)
    return None


async def ask_phone_number(call: Call, *, allow_foreign: bool, lone: LoneKeys) -> PhoneNumber | None:
    """The number we ring: the caller's own if it can be rung, read back before it is taken; else the one keyed.

    None: there is no number we could ring, after asking twice.
    """
    try:
        phone = own_number(call, allow_foreign=allow_foreign)
    except InvalidPhone as refused:
        reason = PHONE_PROBLEMS[refused.problem]
        return await ask_another_number(call, reason, allow_foreign=allow_foreign, lone=lone)
    return await _agreed(call, phone, allow_foreign=allow_foreign, lone=lone)


async def ask_another_number(call: Call, *reason: str, allow_foreign: bool, lone: LoneKeys) -> PhoneNumber | None:
    """A number the caller keys, read back before it is taken. None: no number we could ring, after asking twice."""
    phone = await _keyed_phone(call, *reason, allow_foreign=allow_foreign, lone=lone)
    return phone and await _agreed(call, phone, allow_foreign=allow_foreign, lone=lone)


def own_number(call: Call, *, allow_foreign: bool) -> PhoneNumber:
    """The number the caller rings from. Raises InvalidPhone when there is none, or none we ring."""
    if call.caller.withheld:
        raise InvalidPhone(PhoneProblem.WITHHELD)
    return parse_phone(call.caller.number, allow_foreign=allow_foreign)


async def pressed(
    call: Call,
    *question: str,
    digits: int,
    patience: Patience,
    lone: LoneKeys,
    alone: frozenset[str] = frozenset(),
) -> Keys:
    """Ask, and collect up to `digits`. `alone` are keys that stand for themselves besides the lone ones.

    Raises SwitchboardWanted on a lone 0, LanguageWanted on a language's key, ChoiceWanted on the choice's.
    """
    keys = await call.ask(
        *question, digits=digits, first=patience.first, between=patience.between, alone=lone.keys | alone
    )
    if keys.digits == "0":
        raise SwitchboardWanted
    if keys.digits in lone.languages:
        raise LanguageWanted(lone.languages[keys.digits])
    if lone.choice and keys.digits == CHOICE_KEY:
        raise ChoiceWanted
    return keys


async def _agreed(call: Call, phone: PhoneNumber, *, allow_foreign: bool, lone: LoneKeys) -> PhoneNumber:
    """The number as the caller lets it stand, or the one they change it to."""
    for _ in range(MOST_CHANGES):
        if await _accepted(call, phone, lone):
            return phone
        phone = await _keyed_phone(call, allow_foreign=allow_foreign, lone=lone) or phone
    await call.play(*number_told(phone))  # changed that often, it is said once more and not asked
    return phone


async def _keyed_phone(call: Call, *reason: str, allow_foreign: bool, lone: LoneKeys) -> PhoneNumber | None:
    """Ask for a number, after the reason, and once more; None after two that can't be rung."""
    question: tuple[str, ...] = (*reason, Prompt.ASK_PHONE, *lone.offer)
    for patience in ONCE_AND_AGAIN:
        keys = await pressed(call, *question, digits=NORWEGIAN_DIGITS, patience=patience, lone=lone)
        digits = keys.digits + await _rest_from_abroad(call, keys, patience)
        try:
            return parse_phone(digits, allow_foreign=allow_foreign)
        except InvalidPhone as refused:
            problem = _phone_problem(refused, digits)
        question = await _told(
            call, keys, problem, (Prompt.ASK_PHONE_SLOW, *lone.offer), last=patience is ONCE_AND_AGAIN[-1]
        )
    return None


async def _rest_from_abroad(call: Call, keys: Keys, patience: Patience) -> str:
    """Eight digits are a whole Norwegian number; after 00 comes a country code, and more digits than that."""
    if keys.ended != "complete" or not keys.digits.startswith("00"):
        return ""
    length = 2 + 2 + NORWEGIAN_DIGITS if keys.digits.startswith("0047") else LONGEST_ABROAD
    more = await call.collect(digits=length - len(keys.digits), first=patience.between, between=patience.between)
    return more.digits


async def _accepted(call: Call, phone: PhoneNumber, lone: LoneKeys) -> bool:
    """Read the number back. Silence (or '#') accepts, 1 does not, any other key has it read once more."""
    call.forget_keys(stray=STRAY_SECONDS)  # nobody can have answered before hearing the number
    patience = Patience(OBJECTION_SECONDS, OBJECTION_SECONDS)
    for _ in range(MOST_READ_BACKS):
        keys = await pressed(call, *read_back(phone), *lone.offer, digits=1, patience=patience, lone=lone)
        if keys.digits in ("", "1"):
            return not keys.digits
    await call.play(*number_told(phone))  # broken off by keys each time, it is heard at least once
    return True


def _identity_problem(refused: InvalidIdentity, keyed: int) -> Sequence[str]:
    if refused.problem != IdentityProblem.LENGTH:
        return (Prompt.IDENTITY_WRONG,)
    return too_short(keyed, Prompt.SHOULD_BE_ELEVEN) if keyed else (Prompt.IDENTITY_LENGTH,)


def _phone_problem(refused: InvalidPhone, digits: str) -> Sequence[str]:
    if not digits:
        return (Prompt.NO_KEYS,)
    if refused.problem == PhoneProblem.SHORT_NUMBER and digits[0] != "1":  # 113 and 116117 are numbers; this is not
        return too_short(len(digits), Prompt.SHOULD_BE_EIGHT)
    return (PHONE_PROBLEMS[refused.problem],)


async def _told(
    call: Call, keys: Keys, problem: Sequence[str], question: tuple[str, ...], *, last: bool
) -> tuple[str, ...]:
    """The next question, with what was wrong before it, and without digits left over from the last answer.

    A caller who was only slow may still be keying the rest. It is no new answer: the problem is told to its end, and
    the rest let go by.
    """
    if last:
        return ()
    call.forget_keys()
    if keys.ended == "timeout":
        await call.play(*problem)
        await call.collect(digits=LENGTH, first=0, between=STILL_KEYING_SECONDS)
        return question
    return (*((Prompt.NO_KEYS,) if keys.ended == "silence" else problem), *question)
