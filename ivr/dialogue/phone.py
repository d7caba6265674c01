"""Ask for a telephone number: two tries. A number that a rule has changed is read back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Final

from desk.numbers.errors import InvalidPhone
from desk.numbers.phone_number import PhoneNumber, PhoneProblem, parse_phone
from ivr.calls.call import Call, Keys
from ivr.dialogue.keyed import COUNTRY, NORWEGIAN_DIGITS, KeyedPhone, keeps_doubled, read_phone, starts_over
from ivr.dialogue.speech import callback_number_prompts, count_prompts
from ivr.dialogue.steps import ANOTHER_KEY, ONCE_AND_AGAIN, SETTLE, LoneKeys, Patience, choose, confirmed
from ivr.prompts.keys import Prompt

LONGEST_ABROAD: Final = 17  # 00, and the 15 digits of E.164
MORE_SETTLE: Final = 3.0
"""Seconds to wait for more digits after eight that begin like a country code, or of someone who may start over."""
PACES: Final = 1.5
"""How many of a caller's usual gaps between keys we wait, at most MORE_SETTLE, where a key may have been doubled."""
REST: Final = Patience(first=8, between=5)
READ_BACK: Final = Patience(first=3, between=3)
MOST_KEPT: Final = 5
"""Digits whose rest is awaited. With more, a key was left out somewhere, and one key could make it another number."""
MOST_COUNTED: Final = 10
MOST_PARTS: Final = 3
SILENT_TRIES: Final = 3

PHONE_PROBLEMS: Final[Mapping[str, Prompt]] = {
    PhoneProblem.EMPTY: Prompt.PHONE_UNKNOWN,
    PhoneProblem.WITHHELD: Prompt.PHONE_WITHHELD,
    PhoneProblem.NOT_A_NUMBER: Prompt.PHONE_NOT_A_NUMBER,
    PhoneProblem.SHORT_NUMBER: Prompt.PHONE_SHORT,
    PhoneProblem.PREMIUM: Prompt.PHONE_PREMIUM,
    PhoneProblem.HOSPITAL: Prompt.PHONE_HOSPITAL,
}


def own_number(call: Call) -> PhoneNumber:
    """Return the number the caller calls from. Raises InvalidPhone when there is none, or none that we call back."""
    if call.caller.withheld:
        raise InvalidPhone(PhoneProblem.WITHHELD)
    return _checked(call, parse_phone(call.caller.number, allow_foreign=True, asserted=True))


def _checked(call: Call, phone: PhoneNumber) -> PhoneNumber:
    """Return the number. Raises InvalidPhone if it is the hospital's own: we would ring ourselves."""
    if phone in call.own_numbers:
        raise InvalidPhone(PhoneProblem.HOSPITAL)
    return phone


async def ask_phone(call: Call, *reason: str, lone: LoneKeys, tries: int = 2) -> PhoneNumber | None:
    """Say the reason and ask for a number, at most `tries` times. None if none can be called.

    A caller who presses nothing at the third time is not asked again. Raises the requests of lone keys.
    """
    question: tuple[str, ...] = (*reason, Prompt.ASK_PHONE, *lone.offer)
    deaf = len(reason)
    for number in range(tries):
        patience = ONCE_AND_AGAIN[min(number, 1)]
        keyed = await _keyed(call, question, patience, lone, deaf=deaf)
        try:
            phone = read_phone(keyed)
            _checked(call, phone.number)
        except InvalidPhone as refused:
            problem = _problem(refused, keyed)
            if not keyed and number >= SILENT_TRIES - 1:
                break
        else:
            _doubt(call, phone, keyed)
            if not phone.changed or await _accepted(call, phone, lone):
                return phone.number
            problem = ()
        question, deaf = (*problem, Prompt.ASK_PHONE_SLOW, *lone.offer), len(problem)
    return None


def _doubt(call: Call, phone: KeyedPhone, keyed: str) -> None:
    """Mark the identity number where the telephone number may be a stranger's: the agent asks who it is."""
    digits = phone.number.e164.removeprefix(f"+{COUNTRY}")
    is_doubled = keeps_doubled(keyed, digits, call.doubled_in(keyed)) if len(digits) == NORWEGIAN_DIGITS else False
    if call.identity and (phone.doubtful or is_doubled):
        call.identity = replace(call.identity, doubtful=True)


async def _keyed(call: Call, question: Sequence[str], patience: Patience, lone: LoneKeys, *, deaf: int) -> str:
    """Ask once, and return the digits. A lone key is confirmed, and the rest of a started number is awaited."""
    ask = partial(
        call.ask,
        digits=NORWEGIAN_DIGITS,
        first=patience.first,
        between=patience.between,
        alone=lone.keys,
        settle=SETTLE,
    )
    keys = await ask(*question, deaf=deaf)
    keyed = ""
    for _ in range(MOST_PARTS):
        over = not keys.restarted and starts_over(keyed, keys.digits)
        keyed = keys.digits if keys.restarted else keyed + keys.digits
        if keys.ended == "hash" and not keyed:  # a late '#' that ends the number before
            keys = await ask(*question[deaf:])
            continue
        if keys.ended in ("silence", "hash"):
            return keyed
        if len(keyed) >= NORWEGIAN_DIGITS:
            return keyed + await _surplus(call, keyed, keys, patience, over=over)
        key = lone.of(keyed)
        if key and not keyed.startswith("00"):
            keyed = key
            keys = await confirmed(call, key, lone, digits=NORWEGIAN_DIGITS - 1)
        elif len(keyed) <= MOST_KEPT and not _is_whole(keyed):
            keys = await _rest(call, len(keyed))
        else:
            return keyed
    return keyed if keys.restarted else keyed + keys.digits


async def _surplus(call: Call, keyed: str, last: Keys, patience: Patience, *, over: bool) -> str:
    """Collect what may follow: the rest of a number from abroad or with a country code, or a surplus key.

    `last`: the last keys of `keyed`. `over`: they may begin the whole number again.
    """
    if keyed.startswith("00"):
        length = 2 + len(COUNTRY) + NORWEGIAN_DIGITS if keyed.startswith(f"00{COUNTRY}") else LONGEST_ABROAD
        if len(keyed) >= length:
            return ""
        more = await call.collect(digits=length - len(keyed), first=patience.between, between=patience.between)
        return more.digits
    may_be_doubled = len(keyed) == NORWEGIAN_DIGITS and any(one == other for one, other in pairwise(keyed))
    may_be_country = keyed.startswith(COUNTRY) and len(keyed) < len(COUNTRY) + NORWEGIAN_DIGITS
    longest = MORE_SETTLE if may_be_country or over else min(MORE_SETTLE, PACES * last.pace) if may_be_doubled else 0.0
    wait = longest - last.settled
    if wait <= 0:
        return ""
    return (await call.collect(digits=2, first=wait, between=MORE_SETTLE, settle=SETTLE)).digits


async def _rest(call: Call, count: int) -> Keys:
    """Say how many digits there are, and wait for the others."""
    question = count_prompts(count, Prompt.KEY_REST)
    left = NORWEGIAN_DIGITS - count
    return await call.ask(*question, digits=left, first=REST.first, between=REST.between, settle=SETTLE)


def _is_whole(keyed: str) -> bool:
    """Whether a number shorter than eight digits is one: 02800, 113, 116117."""
    try:
        parse_phone(keyed)
    except InvalidPhone:
        return keyed.startswith("1") and len(keyed) in (3, 6)
    return True


async def _accepted(call: Call, phone: KeyedPhone, lone: LoneKeys) -> bool:
    """Read the number back. 1 rejects it, anything else accepts it."""
    await call.play(*callback_number_prompts(phone.number))
    call.forget_keys()  # no one can answer before hearing the number
    return await choose(call, Prompt.CHECK_NUMBER, patience=READ_BACK, lone=lone) != ANOTHER_KEY


def _problem(refused: InvalidPhone, keyed: str) -> tuple[str, ...]:
    if not keyed:
        return (Prompt.NO_KEYS,)
    is_short = refused.problem == PhoneProblem.SHORT_NUMBER and keyed[0] != "1"  # 113 and 116117 are real numbers
    if is_short or (NORWEGIAN_DIGITS < len(keyed) <= MOST_COUNTED and not keyed.startswith("00")):
        return tuple(count_prompts(len(keyed), Prompt.SHOULD_BE_EIGHT))
    return (PHONE_PROBLEMS[refused.problem],)
