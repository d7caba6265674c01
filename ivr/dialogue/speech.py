"""What is said, as prompt keys in the order they are played. Pure.

The order is the same in every language; each language's own words are in prompts/catalogue.toml.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import chain

from desk.callbacks import Registration
from desk.clock import OSLO
from desk.departments import Department, Policy
from desk.phone import PhoneNumber
from desk.promises import Promise
from ivr.prompts.keys import Prompt, day_of_month, digit, hour, minute, month, oclock, weekday


def promise_prompts(promise: Promise, now: datetime) -> list[str]:
    """When we ring: «i dag innen klokken» «femten»; «tirsdag» «trettiende» «mars» «klokken» «ti».

    The same words as desk.promises.spoken_text: a weekday alone reaches six days ahead, further off the date is said.
    """
    when = promise.by.astimezone(OSLO)
    away = (when.date() - now.astimezone(OSLO).date()).days
    by = promise.policy is Policy.DEADLINE
    if away == 0:
        day: list[str] = [Prompt.TODAY_BY if by else Prompt.TODAY_AT]
    elif away == 1:
        day = [Prompt.TOMORROW_BY if by else Prompt.TOMORROW_AT]
    else:
        date = [] if 1 < away <= 6 else [day_of_month(when.day), month(when.month)]
        day = [weekday(when.weekday()), *date, Prompt.BY_CLOCK if by else Prompt.AT_CLOCK]
    return [*day, *time_prompts(when)]


def time_prompts(when: datetime) -> list[str]:
    """A time of day on the clock of `when`: «femten», «femten» «tretti»."""
    if when.minute == 0:
        return [oclock(when.hour)]
    return [hour(when.hour), minute(when.minute)]


def phone_prompts(phone: PhoneNumber) -> list[str]:
    """The digits one at a time, with a pause between groups: «9 1 2, 3 4, 5 6 7»."""
    groups = [[digit(int(character)) for character in group] for group in phone.national_groups]
    return list(chain.from_iterable([*group, str(Prompt.PAUSE)] for group in groups))[:-1]


def read_back(phone: PhoneNumber) -> list[str]:
    """«Vi ringer deg på 9 1 2, 3 4, 5 6 7. Vil du ha et annet nummer, tast én.»"""
    return [*number_told(phone), Prompt.PAUSE, Prompt.CHANGE_NUMBER]


def number_told(phone: PhoneNumber) -> list[str]:
    """«Vi ringer deg på 9 1 2, 3 4, 5 6 7.»"""
    return [Prompt.RING_NUMBER, Prompt.PAUSE, *phone_prompts(phone)]


def receipt(registration: Registration, department: Department, *, known_person: bool, now: datetime) -> list[str]:
    """What the caller is told once the callback is stored: that we have it, when we ring, and from which number.

    Someone who was on the list already hears when we ring only if they keyed their identity number (`known_person`):
    a phone can be in another's hand. A promise that was not kept is not given once more.
    """
    callback = registration.callback
    if registration.created or callback.call_count == 1:  # the first call; perhaps one taken up again half-way
        return [Prompt.RECEIVED, *_promised(callback.promise, department, now), Prompt.MAY_HANG_UP]
    if not known_person:
        return [Prompt.ALREADY_ON_LIST, Prompt.WE_RING_AS_TOLD, Prompt.MAY_HANG_UP]
    if callback.promise.by <= now:
        return [Prompt.ALREADY_ON_LIST, Prompt.DELAYED, Prompt.MAY_HANG_UP]
    return [Prompt.ALREADY_ON_LIST, *_promised(callback.promise, department, now), Prompt.MAY_HANG_UP]


def _promised(promise: Promise, department: Department, now: datetime) -> Sequence[str]:
    hospital = phone_prompts(department.hospital_number)
    return [
        Prompt.WE_RING,
        *promise_prompts(promise, now),
        Prompt.PAUSE,
        Prompt.FROM_NUMBER,
        Prompt.PAUSE,
        *hospital,
        Prompt.PAUSE,
    ]
