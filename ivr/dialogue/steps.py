"""The steps of a conversation. Each step asks for one thing and returns it as a typed value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from desk.numbers.errors import InvalidIdentity, InvalidPhone
from desk.numbers.identity_number import LENGTH, IdentityNumber, IdentityProblem, parse_identity
from desk.numbers.phone_number import PhoneNumber, PhoneProblem, parse_phone
from ivr.calls.call import Call, Keys
from ivr.dialogue.speech import callback_number_prompts, language_offers, read_back_prompts, too_short
from ivr.prompts.keys import Prompt

EMERGENCY_NUMBERS: Final = frozenset({"110", "112", "113"})
CHOICE_KEY: Final = "5"
"""The middle key, which has a tactile dot on most telephones."""


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
        return frozenset({"0", *self.languages}) | ({CHOICE_KEY} if self.choice else set())


class SwitchboardRequest(Exception):
    """The caller pressed a lone 0 and wants a person."""


class LanguageRequest(Exception):
    """The caller pressed the lone key of another language. The request starts over in it."""

    def __init__(self, language: str) -> None:
        super().__init__(language)
        self.language = language


class ChoiceRequest(Exception):
    """The caller pressed a lone CHOICE_KEY, the department's choice."""


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


ONCE_AND_AGAIN: Final = (Patience(first=8, between=4), Patience(first=12, between=6))
"""Each question is asked twice, the second time with more patience. The limit for lone keys is fixed (Call.collect)."""

OBJECTION_SECONDS: Final = 3.0
STILL_KEYING_SECONDS: Final = 2.0
STRAY_SECONDS: Final = 1.5
"""A key this soon after a complete number is a surplus digit, not an answer to the next question."""
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
    """Collect the identity number that the opening asked for. Ask a second time if it is wrong or missing.

    None if the caller skipped it with '#', or failed or stayed silent twice. No caller is turned away.
    Where the department has it as `required`, '#' does not skip it but repeats the question. Raises UrgentRequest when
    the caller keys an emergency number, and the errors of `pressed`.
    """
    question: tuple[str, ...] = ()
    skip = () if required else (Prompt.SKIP_IDENTITY,)
    for patience in ONCE_AND_AGAIN:
        keys = await pressed(call, *question, digits=LENGTH, patience=patience, lone=lone, alone=EMERGENCY_NUMBERS)
        if keys.digits in EMERGENCY_NUMBERS:
            raise UrgentRequest(emergency=True)
        if keys.ended == "hash" and not keys.digits and not required:
            break
        try:
            return parse_identity(keys.digits, allow_test=allow_test, allow_h=allow_h)
        except InvalidIdentity as refused:
            problem = _identity_problem(refused, len(keys.digits))
        question = (Prompt.ASK_IDENTITY_SLOW, *skip, *language_offers(lone.languages), *lone.offer)
        question = await _next_question(call, keys, problem, question, last=patience is ONCE_AND_AGAIN[-1])
    await call.play(Prompt.WITHOUT_IDENTITY)
    return None


async def ask_phone_number(call: Call, *, allow_foreign: bool, lone: LoneKeys) -> PhoneNumber | None:
    """Determine the number to call back: the caller's own if possible, else one that the caller keys. Read it back.

    None if there is no usable number after asking twice.
    """
    try:
        phone = own_number(call, allow_foreign=allow_foreign)
    except InvalidPhone as refused:
        reason = PHONE_PROBLEMS[refused.problem]
        return await ask_another_number(call, reason, allow_foreign=allow_foreign, lone=lone)
    return await _agreed(call, phone, allow_foreign=allow_foreign, lone=lone)


async def ask_another_number(call: Call, *reason: str, allow_foreign: bool, lone: LoneKeys) -> PhoneNumber | None:
    """Ask for another number and read it back. None if there is no usable number after asking twice."""
    phone = await _keyed_phone(call, *reason, allow_foreign=allow_foreign, lone=lone)
    return phone and await _agreed(call, phone, allow_foreign=allow_foreign, lone=lone)


def own_number(call: Call, *, allow_foreign: bool) -> PhoneNumber:
    """Return the number the caller calls from. Raises InvalidPhone when there is none, or none that we call back."""
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
    """Ask, and collect up to `digits` keys. `alone` adds input with a meaning of its own to the lone keys.

    Raises SwitchboardRequest on a lone 0, LanguageRequest on a language key, ChoiceRequest on the choice key.
    """
    keys = await call.ask(
        *question, digits=digits, first=patience.first, between=patience.between, alone=lone.keys | alone
    )
    if keys.digits == "0":
        raise SwitchboardRequest
    if keys.digits in lone.languages:
        raise LanguageRequest(lone.languages[keys.digits])
    if lone.choice and keys.digits == CHOICE_KEY:
        raise ChoiceRequest
    return keys


async def _agreed(call: Call, phone: PhoneNumber, *, allow_foreign: bool, lone: LoneKeys) -> PhoneNumber:
    """Read the number back until the caller accepts it, and return the accepted number."""
    for _ in range(MOST_CHANGES):
        if await _accepted(call, phone, lone):
            return phone
        phone = await _keyed_phone(call, allow_foreign=allow_foreign, lone=lone) or phone
    await call.play(*callback_number_prompts(phone))  # after that many changes we say it without asking
    return phone


async def _keyed_phone(call: Call, *reason: str, allow_foreign: bool, lone: LoneKeys) -> PhoneNumber | None:
    """Say the reason and ask for a number, at most twice. None if neither can be called."""
    question: tuple[str, ...] = (*reason, Prompt.ASK_PHONE, *lone.offer)
    for patience in ONCE_AND_AGAIN:
        keys = await pressed(call, *question, digits=NORWEGIAN_DIGITS, patience=patience, lone=lone)
        digits = keys.digits + await _rest_from_abroad(call, keys, patience)
        try:
            return parse_phone(digits, allow_foreign=allow_foreign)
        except InvalidPhone as refused:
            problem = _phone_problem(refused, digits)
        question = await _next_question(
            call, keys, problem, (Prompt.ASK_PHONE_SLOW, *lone.offer), last=patience is ONCE_AND_AGAIN[-1]
        )
    return None


async def _rest_from_abroad(call: Call, keys: Keys, patience: Patience) -> str:
    """Collect the rest of a foreign number: one that starts with 00 has more than the eight Norwegian digits."""
    if keys.ended != "complete" or not keys.digits.startswith("00"):
        return ""
    length = 2 + 2 + NORWEGIAN_DIGITS if keys.digits.startswith("0047") else LONGEST_ABROAD
    more = await call.collect(digits=length - len(keys.digits), first=patience.between, between=patience.between)
    return more.digits


async def _accepted(call: Call, phone: PhoneNumber, lone: LoneKeys) -> bool:
    """Read the number back. Silence or '#' accepts it, 1 rejects it, and any other key repeats it."""
    call.forget_keys(stray=STRAY_SECONDS)  # no one can answer before hearing the number
    patience = Patience(OBJECTION_SECONDS, OBJECTION_SECONDS)
    for _ in range(MOST_READ_BACKS):
        keys = await pressed(call, *read_back_prompts(phone), *lone.offer, digits=1, patience=patience, lone=lone)
        if keys.digits in ("", "1"):
            return not keys.digits
    await call.play(*callback_number_prompts(phone))  # keys cut it off each time: play it once to the end
    return True


def _identity_problem(refused: InvalidIdentity, keyed: int) -> Sequence[str]:
    if refused.problem != IdentityProblem.LENGTH:
        return (Prompt.IDENTITY_WRONG,)
    return too_short(keyed, Prompt.SHOULD_BE_ELEVEN) if keyed else (Prompt.IDENTITY_LENGTH,)


def _phone_problem(refused: InvalidPhone, digits: str) -> Sequence[str]:
    if not digits:
        return (Prompt.NO_KEYS,)
    if refused.problem == PhoneProblem.SHORT_NUMBER and digits[0] != "1":  # 113 and 116117 are real numbers
        return too_short(len(digits), Prompt.SHOULD_BE_EIGHT)
    return (PHONE_PROBLEMS[refused.problem],)


async def _next_question(
    call: Call, keys: Keys, problem: Sequence[str], question: tuple[str, ...], *, last: bool
) -> tuple[str, ...]:
    """Return the next question, preceded by the problem, and drop digits left over from the last answer.

    A slow caller may still be keying the rest of the number. Play the problem to its end and ignore those digits.
    """
    if last:
        return ()
    call.forget_keys()
    if keys.ended == "timeout":
        await call.play(*problem)
        await call.collect(digits=LENGTH, first=0, between=STILL_KEYING_SECONDS)
        return question
    return (*((Prompt.NO_KEYS,) if keys.ended == "silence" else problem), *question)
