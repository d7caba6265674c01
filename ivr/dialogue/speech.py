"""What is said, as prompt keys in the order they are played. Pure.

The order is the same in every language; each language's own words are in prompts/catalogue.toml.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Final

from desk.callbacks.model import Callback, Registration
from desk.callbacks.repeat_callers import Standing
from desk.clock import OSLO
from desk.departments.choice import Choice, Topic
from desk.departments.departments import Department, Policy
from desk.messages.model import SmsState
from desk.numbers.phone_number import PhoneNumber
from desk.promises.availability import DelayReason
from desk.promises.rules import Promise
from ivr.prompts.keys import (
    MOST_AHEAD_COUNTED,
    Prompt,
    ahead,
    day_of_month,
    digit,
    digits_keyed,
    hour,
    minute,
    month,
    oclock,
    weekday,
)

LATER: Final[Mapping[DelayReason, Prompt]] = {
    DelayReason.CLOSED_TODAY: Prompt.CLOSED_TODAY,
    DelayReason.CLOSED_COURSE: Prompt.CLOSED_COURSE,
    DelayReason.CLOSED_ILLNESS: Prompt.CLOSED_ILLNESS,
    DelayReason.QUEUE_FULL: Prompt.QUEUE_FULL,
}

TOPICS: Final[Mapping[Topic, Prompt]] = {
    Topic.ADDRESS: Prompt.TOPIC_ADDRESS,
    Topic.PARKING: Prompt.TOPIC_PARKING,
    Topic.HOURS: Prompt.TOPIC_HOURS,
}


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


def too_short(keyed: int, should_be: Prompt) -> list[str]:
    """«Jeg fikk ni siffer, det skal være elleve.»"""
    return [Prompt.I_GOT, digits_keyed(keyed), should_be]


def language_offers(languages: Mapping[str, str]) -> list[str]:
    """«For English, press nine.» for each lone key that changes the language."""
    offers = {"9": Prompt.OTHER_LANGUAGE, "8": Prompt.OTHER_NORWEGIAN}
    return [offer for key, offer in offers.items() if key in languages]


def choice_offer(choice: Choice) -> list[str]:
    """«Gjelder det» «adresse» «parkering» «tast fem.»; or what the urgent line is for, and its key."""
    if choice.urgent:
        return [Prompt.OFFER_URGENT]
    return [Prompt.OFFER_QUESTIONS, *(TOPICS[topic] for topic in choice.answers), Prompt.PRESS_FIVE]


def since_prompts(since: datetime, now: datetime) -> list[str]:
    """How long someone has been on the list: «i går klokken» «ni» «tretti», «mandag» «klokken» «ni»."""
    when = since.astimezone(OSLO)
    ago = (now.astimezone(OSLO).date() - when.date()).days
    if ago == 0:
        day: list[str] = [Prompt.TODAY_AT]
    elif ago == 1:
        day = [Prompt.YESTERDAY_AT]
    else:
        date = [] if 1 < ago <= 6 else [day_of_month(when.day), month(when.month)]
        day = [weekday(when.weekday()), *date, Prompt.AT_CLOCK]
    return [*day, *time_prompts(when)]


def standing_told(standing: Standing, department: Department, now: datetime) -> list[str]:
    """Where a caller's open callback stands, for one whose identity number matched: since when, when, how many before.

    That a promise was not kept is said before the new one.
    """
    callback = standing.callback
    told: list[str] = [Prompt.ALREADY_ON_LIST, Prompt.ON_LIST_SINCE, *since_prompts(callback.created_at, now)]
    told += [Prompt.PAUSE]
    if standing.tried_in_vain:
        told += [Prompt.TRIED_IN_VAIN]
    elif standing.late:
        told += [Prompt.DELAYED]
    if callback.promise.by > now:
        told += _promised(callback.promise, department, now)
    return [*told, _place(standing), Prompt.PAUSE, *number_told(callback.phone), Prompt.PAUSE]


def standing_hinted(standing: Standing) -> list[str]:
    """The same for someone known by phone alone: a phone can be in another's hand, so nothing of when or how long."""
    then = Prompt.RING_AGAIN_SOON if standing.tried_in_vain or standing.late else Prompt.WE_RING_AS_TOLD
    return [Prompt.ALREADY_ON_LIST, then, Prompt.MAY_HANG_UP]


def _place(standing: Standing) -> str:
    if standing.ahead is None:
        return Prompt.YOUR_TURN
    if standing.ahead == 0:
        return Prompt.NEXT_IN_LINE
    return ahead(standing.ahead) if standing.ahead <= MOST_AHEAD_COUNTED else Prompt.AHEAD_MANY


def receipt(registration: Registration, department: Department, *, known_person: bool, now: datetime) -> list[str]:
    """What the caller is told once the callback is stored: that we have it, when we ring, and from which number.

    Someone who was on the list already hears when we ring only if they keyed their identity number (`known_person`):
    a phone can be in another's hand. A promise that was not kept is not given once more.
    """
    callback = registration.callback
    if registration.created or callback.call_count == 1:  # the first call; perhaps one taken up again half-way
        later = [str(LATER[registration.later])] if registration.later else []
        promised = _promised(callback.promise, department, now)
        texted = sms_told(callback, also_sent=True)
        return [Prompt.RECEIVED, *later, *promised, *texted, Prompt.MAY_HANG_UP]
    if not known_person:
        return [Prompt.ALREADY_ON_LIST, Prompt.WE_RING_AS_TOLD, *sms_told(callback), Prompt.MAY_HANG_UP]
    if callback.promise.by <= now:
        return [Prompt.ALREADY_ON_LIST, Prompt.DELAYED, Prompt.MAY_HANG_UP]
    promised = _promised(callback.promise, department, now)
    return [Prompt.ALREADY_ON_LIST, *promised, *sms_told(callback), Prompt.MAY_HANG_UP]


def sms_told(callback: Callback, *, also_sent: bool = False) -> list[str]:
    """That a text message comes; `also_sent` of one that has left already (it may have gone to an earlier number)."""
    left = also_sent and callback.sms in (SmsState.SENT, SmsState.DELIVERED)
    return [Prompt.SMS_RECEIPT] if callback.sms is SmsState.QUEUED or left else []


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
