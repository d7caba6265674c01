"""Ask for the identity number: two tries, with the digits kept while they can still become a number."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from desk.callbacks.model import IncompleteStep
from desk.numbers.errors import InvalidIdentity
from desk.numbers.identity_number import LENGTH, IdentityNumber
from ivr.calls.call import Call, Keys
from ivr.dialogue.keyed import keeps_doubled, may_become_identity, read_identity, starts_over
from ivr.dialogue.speech import count_prompts, language_offers
from ivr.dialogue.steps import (
    CONFIRM,
    ONCE_AND_AGAIN,
    SETTLE,
    LoneKeys,
    Patience,
    UrgentRequest,
    confirmed,
)
from ivr.prompts.keys import Prompt

EMERGENCY_NUMBERS: Final = frozenset({"110", "112", "113"})
STILL_KEYING: Final = 1.4
"""Seconds in which a caller who keyed a wrong number, or may have started over, may still press a key."""
SLOW_KEY: Final = 3.0
"""Seconds between the keys of a number that was started over."""
REST: Final = Patience(first=10, between=6)
MOST_KEPT: Final = 8
"""Digits whose rest is awaited. With more, a key was left out somewhere, and one key could make it another number."""
MOST_PARTS: Final = 3
"""Parts of one number, with a pause in between."""


@dataclass(frozen=True)
class IdentityRules:
    """How a department asks for the identity number, and which kinds it takes."""

    required: bool
    allow_test: bool
    allow_h: bool


@dataclass(frozen=True)
class _Keyed:
    """Digits of one answer. `starts_over`: its last part starts as the first did, and may be a whole number."""

    digits: str
    starts_over: bool = False


class _Skipped(Exception):
    """The caller pressed # twice and goes on without an identity number."""


async def ask_identity(call: Call, *opening: str, rules: IdentityRules, lone: LoneKeys) -> IdentityNumber | None:
    """Ask for the identity number, and a second time if it is wrong or missing. `opening` is the first question.

    None if the caller skipped it with '#', or failed or stayed silent twice. No caller is turned away. Where it is
    `required`, '#' does not skip it but repeats the question. Raises UrgentRequest when the caller keys an emergency
    number, and the requests of lone keys.
    """
    question, deaf = opening, 0
    try:
        for patience in ONCE_AND_AGAIN:
            with call.at(IncompleteStep.IDENTITY, before_keys=IncompleteStep.WELCOME):
                keyed = await _keyed(call, question, patience, rules, lone, deaf=deaf)
                try:
                    return await _read(call, keyed, rules)
                except InvalidIdentity:
                    problem = _problem(keyed.digits)
            skip = () if rules.required else (Prompt.SKIP_IDENTITY,)
            question = (*problem, Prompt.ASK_IDENTITY_SLOW, *skip, *language_offers(lone.languages), *lone.offer)
            deaf = len(problem)
    except _Skipped:
        pass
    return None


async def _keyed(
    call: Call, question: Sequence[str], patience: Patience, rules: IdentityRules, lone: LoneKeys, *, deaf: int
) -> _Keyed:
    """Ask once. A lone key is confirmed, and the rest of a started number is awaited."""
    keys = await call.ask(
        *question,
        digits=LENGTH,
        first=patience.first,
        between=patience.between,
        alone=lone.keys | EMERGENCY_NUMBERS,
        settle=SETTLE,
        deaf=deaf,
    )
    keyed = ""
    for _ in range(MOST_PARTS):
        over = not keys.restarted and starts_over(keyed, keys.digits)
        keyed = keys.digits if keys.restarted else keyed + keys.digits
        if len(keyed) >= LENGTH:
            return _Keyed(keyed, starts_over=over)
        if keyed in EMERGENCY_NUMBERS:
            raise UrgentRequest(emergency=True)
        if keys.ended == "silence" or (keys.ended == "hash" and keyed):
            return _Keyed(keyed)
        if keys.ended == "hash":
            keys = await _skip_confirmed(call, rules)
        elif key := lone.of(keyed):
            keyed = key
            keys = await confirmed(call, key, lone, digits=LENGTH - 1)
        elif may_become_identity(keyed) and len(keyed) <= MOST_KEPT:
            keys = await _rest(call, len(keyed))
        else:
            return _Keyed(keyed)
    return _Keyed(keyed if keys.restarted else keyed + keys.digits)


async def _skip_confirmed(call: Call, rules: IdentityRules) -> Keys:
    """Ask for '#' again. Returns the keys of a caller who keys the number instead."""
    if rules.required:
        return Keys("", "silence")
    keys = await call.ask(
        Prompt.CONFIRM_SKIP, digits=LENGTH, first=CONFIRM.first, between=CONFIRM.between, settle=SETTLE
    )
    if keys.ended == "hash" and not keys.digits:
        raise _Skipped
    return keys


async def _rest(call: Call, count: int) -> Keys:
    """Say how many digits there are, and wait for the others."""
    question = count_prompts(count, Prompt.KEY_REST)
    return await call.ask(*question, digits=LENGTH - count, first=REST.first, between=REST.between, settle=SETTLE)


async def _read(call: Call, keyed: _Keyed, rules: IdentityRules) -> IdentityNumber:
    """Read the number. If it is wrong, or may be a chance, wait for a surplus key. Raises InvalidIdentity."""
    read = partial(read_identity, allow_test=rules.allow_test, allow_h=rules.allow_h)
    number, digits = None, keyed.digits
    try:
        number = read(digits)
    except InvalidIdentity:
        if len(digits) < LENGTH:
            raise
    if number is None or keyed.starts_over:
        between = SLOW_KEY if keyed.starts_over else STILL_KEYING
        more = await call.collect(digits=LENGTH, first=STILL_KEYING, between=between)
        digits = more.digits if more.restarted else digits + more.digits
        number = read(digits) if more.digits or number is None else number
    call.identity_accepted()
    is_doubled = keeps_doubled(digits, number.value, call.doubled_in(digits))
    return replace(number, doubtful=True) if is_doubled else number


def _problem(keyed: str) -> tuple[str, ...]:
    if not keyed:
        return (Prompt.NO_KEYS,)
    return (
        (Prompt.IDENTITY_WRONG,) if len(keyed) >= LENGTH else tuple(count_prompts(len(keyed), Prompt.SHOULD_BE_ELEVEN))
    )
